// Keeps an outbox in a store: at once where a number is used, in the same turn where something was edited, soon where an answer came, which
// would come again.
//
// A store that is full or forbidden must not keep edits from being sent; that is told once, until it takes them again.

const SOON_MS = 50;

export class Keeper {
  #store;
  #outbox;
  #tell;
  #waiting = null;
  #isDue = false;
  #isKept = true;

  /** Restore what the store holds, if any; `tell(error)` hears that it takes no more. */
  constructor(store, outbox, tell) {
    this.#store = store;
    this.#outbox = outbox;
    this.#tell = tell;
    const kept = store?.load();
    if (kept) outbox.restore(kept);
  }

  now() {
    clearTimeout(this.#waiting);
    this.#waiting = null;
    this.#isDue = false;
    try {
      this.#store?.save(this.#outbox.kept());
      this.#isKept = true;
    } catch (error) {
      if (this.#isKept) this.#tell(error);
      this.#isKept = false;
    }
  }

  /** Once for all edits of this turn, of which there may be hundreds. */
  thisTurn() {
    if (!this.#isDue) queueMicrotask(() => this.#isDue && this.now());
    this.#isDue = true;
  }

  soon() {
    this.#waiting ??= setTimeout(() => this.now(), SOON_MS);
    this.#waiting.unref?.();
  }

  /** Keep for the last time, and let the store go to whoever comes next. */
  close() {
    this.now();
    this.#store?.release?.();
    this.#store = null;
  }
}
