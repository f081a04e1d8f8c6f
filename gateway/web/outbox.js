// Our ops in order, their numbers, and which must be sent (design D5): the same as gateway/client/outbox.py. No IO, no clock.
//
// A number is given when an op is first sent and kept until the server says that it is still free; then everything sent behind it is
// refused, too, and numbered anew once those refusals have come.

import { refusalOf } from "./sayable.js";

const CONFIRMED_KEPT = 200;

/** The server asks for ops that are not kept, or has forgotten the client: go on under a new client id. */
export class HistoryMissing extends Error {}

/** One op of ours: `saved` and `outcome` are promises; an outcome is {op, applied, code, message, remedy, sequences, ...}. */
export class Pending {
  constructor(op, { number = 0, askedAt = Date.now(), generation = null } = {}) {
    Object.assign(this, { op, number, askedAt, generation, isSent: false, isSaved: false, isDraft: false, isJudged: false, result: null });
    this.saved = new Promise((resolve) => (this.tellSaved = resolve));
    this.outcome = new Promise((resolve) => (this.tellOutcome = resolve));
  }

  markSaved() {
    this.isSaved = true;
    this.tellSaved(true);
  }

  settle(outcome, isTaken) {
    this.tellSaved(isTaken);
    if (this.result) return;
    this.result = outcome;
    this.tellOutcome(outcome);
  }
}

/** The outcome of an op whose events we have seen. */
export function outcomeSeen(op, events) {
  const changes = events.flatMap((event) => event.data.changes);
  return {
    op,
    applied: true,
    sequences: Object.fromEntries(events.map((event) => [event.channel, event.sequence])),
    conflicts: changes.filter((change) => change.collection === "conflicts").map((change) => change.id),
    concurrentWith: [...new Set(events.flatMap((event) => event.causality.with))],
  };
}

export class Outbox {
  client = null;
  #queue = [];
  #confirmed = [];
  #next = 1;
  #settled = 0;
  #hold = 0;

  constructor({ limit = 1000, window = 100 } = {}) {
    Object.assign(this, { limit, window });
  }

  get isHolding() {
    return this.#hold !== 0;
  }

  get isFull() {
    return this.#queue.length >= this.limit;
  }

  unanswered() {
    return this.#queue.filter((pending) => !pending.result);
  }

  /** Put an op at the end, as a draft: kept, and not sent before `finish`. Throws when too many wait. */
  add(pending) {
    if (this.isFull) throw new Error(`${this.limit} ops wait for an answer already; wait until some are answered.`);
    pending.isDraft = true;
    this.#queue.push(pending);
  }

  /** A draft may be sent now. */
  finish(pending) {
    pending.isDraft = false;
    this.#mayGo(pending);
  }

  /** Whether an op may be sent at all; one that may not is refused and forgotten. */
  #mayGo(pending) {
    pending.isJudged = true;
    const refusal = refusalOf(pending.op);
    if (!refusal) return true;
    this.discard(pending);
    pending.settle({ op: "", applied: false, ...refusal }, false);
    return false;
  }

  /** Take a draft out again. */
  discard(pending) {
    this.#queue = this.#queue.filter((each) => each !== pending);
  }

  /** What outlives the page: see `restore`. */
  kept() {
    const ops = this.unanswered().map(({ op, number, askedAt, generation }) => ({ op, number, askedAt, generation }));
    return { client: this.client, next: this.#next, settled: this.#settled, ops };
  }

  /** Go on where another page stopped; its ops stand before all that were made since. */
  restore({ client, next, settled, ops }) {
    this.client = client;
    this.#next = next;
    this.#settled = settled;
    this.#queue = [...ops.map(({ op, ...known }) => new Pending(op, known)), ...this.#queue];
  }

  /** Begin a connection on which the server knows this client up to number `last`. */
  start(client, last) {
    if (client !== this.client) this.#beginAs(client);
    this.#takeBackHeld();
    for (const pending of this.#queue) pending.isSent = false;
    const numbers = this.#queue.map((pending) => pending.number).filter(Boolean);
    if (last + 1 < (numbers.length ? Math.min(...numbers) : this.#next)) this.#recall(last + 1);
    this.#next = Math.max(this.#next, last + 1);
    this.#judgeRestored(last);
  }

  /** A page that is gone never finished its drafts, and an older release judged less. The number of an op that goes nowhere is free again. */
  #judgeRestored(last) {
    for (const pending of this.#queue)
      if (!pending.isDraft && !pending.isJudged && !this.#mayGo(pending) && pending.number > last)
        this.#hold = Math.min(this.#hold || pending.number, pending.number);
    this.#takeBackHeld();
  }

  /** Number and return what may be sent now; the caller sends all of it. */
  toSend() {
    if (this.#hold) return [];
    const ready = [];
    const inFlight = this.#queue.filter((pending) => pending.isSent).length;
    for (const pending of this.#queue) {
      if (pending.isSent || pending.isDraft) continue;
      if (inFlight + ready.length >= this.window) break;
      if (!pending.number) pending.number = this.#next++;
      pending.isSent = true;
      ready.push(pending);
    }
    return ready;
  }

  saved(number) {
    for (const pending of this.#queue) if (pending.number > 0 && pending.number <= number) pending.markSaved();
  }

  /** Note the decision about an op that was taken; a number that waits for nothing is a repeat. */
  settle(number, outcome) {
    const index = this.#queue.findIndex((pending) => pending.number === number);
    if (index < 0) return;
    const [pending] = this.#queue.splice(index, 1);
    pending.settle(outcome, true);
    this.#confirmed = [...this.#confirmed, pending].slice(-CONFIRMED_KEPT);
    this.#settled = Math.max(this.#settled, number);
  }

  /** Note that an op was not taken and `following` is free; drop it when `isFinal`. Tells whether it was one of ours. */
  refuse(number, following, outcome, isFinal) {
    const pending = this.#queue.find((each) => each.isSent && each.number === number);
    if (!pending) return false;
    Object.assign(pending, { number: 0, isSent: false });
    if (isFinal) {
      this.#queue.splice(this.#queue.indexOf(pending), 1);
      pending.settle(outcome, false);
    }
    this.#hold = Math.min(this.#hold || following, following);
    return true;
  }

  /** End the hold if no answer is on its way any more; true when sending may go on. */
  release() {
    if (this.#hold && this.#queue.some((pending) => pending.isSent && pending.number >= this.#hold)) return false;
    this.#takeBackHeld();
    return true;
  }

  /** Forget every op: the wedding is erased. */
  wipe() {
    this.#queue = [];
    this.#confirmed = [];
  }

  #takeBackHeld() {
    if (!this.#hold) return;
    const hold = this.#hold;
    this.#hold = 0;
    for (const pending of this.#queue.filter((each) => each.number >= hold)) {
      pending.isSent = false;
      if (pending.number > this.#settled) pending.number = 0;
    }
    this.#next = 1 + Math.max(this.#settled, hold - 1, ...this.#queue.map((pending) => pending.number));
    if (hold <= this.#settled) this.#recall(hold);
  }

  /** Put the confirmed ops from `number` on back: the server has lost them. */
  #recall(number) {
    const again = this.#confirmed.filter((pending) => pending.number >= number);
    const known = new Set([...again, ...this.#queue].map((pending) => pending.number));
    for (let missing = number; missing < this.#next; missing += 1)
      if (!known.has(missing)) throw new HistoryMissing(`The server asks for op ${missing}, of which there is no copy.`);
    this.#confirmed = this.#confirmed.filter((pending) => pending.number < number);
    for (const pending of again) pending.isSent = false;
    const numbered = [...again, ...this.#queue.filter((pending) => pending.number)].sort((one, other) => one.number - other.number);
    this.#queue = [...numbered, ...this.#queue.filter((pending) => !pending.number)];
  }

  #beginAs(client) {
    this.client = client;
    this.#confirmed = [];
    this.#queue = this.unanswered();
    for (const pending of this.#queue) pending.number = 0;
    this.#next = 1;
    this.#settled = 0;
    this.#hold = 0;
  }
}
