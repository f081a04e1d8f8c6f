// The report on return: what became of the ops that had no answer when the connection came about. The same as gateway/client/returning.py.

const ANSWERS_TO_CONFLICTS = new Set(["resolve", "reverse"]);

export class Returning {
  #waited = new Set();
  #tell;

  /** `tell({applied, inConflict, refused})` hears it once every op has its answer. */
  constructor(tell) {
    this.#tell = tell;
  }

  begin(unanswered) {
    for (const pending of unanswered) this.#waited.add(pending);
  }

  /** A draft that was taken back will have no answer. */
  forget(pending) {
    this.#waited.delete(pending);
  }

  check() {
    if (this.#waited.size === 0 || [...this.#waited].some((pending) => !pending.result)) return;
    const waited = [...this.#waited].map(({ op, askedAt, result }) => ({ op, askedAt, outcome: result }));
    this.#waited.clear();
    this.#tell({
      applied: waited.filter((each) => each.outcome.applied && !metConflict(each)),
      inConflict: waited.filter((each) => each.outcome.applied && metConflict(each)),
      refused: waited.filter((each) => !each.outcome.applied),
    });
  }
}

function metConflict({ op, outcome }) {
  return !ANSWERS_TO_CONFLICTS.has(op.action) && Boolean(outcome.concurrentWith?.length || outcome.conflicts?.length);
}
