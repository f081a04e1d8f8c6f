// Answers that the server owes us, each with a deadline: one that does not come means that the connection is no good any more. The same
// as gateway/client/owed.py.

const ANSWER_WITHIN_MS = 5000;

export class OwedAnswers {
  #timers = new Map();
  #overdue;

  /** `overdue(what)` is told of an answer that did not come in time. */
  constructor(overdue) {
    this.#overdue = overdue;
  }

  has(what) {
    return this.#timers.has(what);
  }

  /** From now on an answer is owed; a second call does not move the deadline. */
  expect(what) {
    if (this.has(what)) return;
    const timer = setTimeout(() => this.#overdue(what), ANSWER_WITHIN_MS);
    timer.unref?.();
    this.#timers.set(what, timer);
  }

  /** The answer is here. */
  came(what) {
    clearTimeout(this.#timers.get(what));
    this.#timers.delete(what);
  }

  /** Nothing is owed on a connection that has ended. */
  clear() {
    for (const what of [...this.#timers.keys()]) this.came(what);
  }
}
