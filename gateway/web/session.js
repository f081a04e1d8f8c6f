// What the client makes of each frame: the rules for clients of docs/protocol.md, the same as gateway/client/session.py.
//
// `take` gets frames and `toSend` gives frames; no socket here. `hooks` are told what happened: changed, event, sync, error, presence,
// returned, `overdue(what)` of an answer that does not come, and `soon(ms)` to be asked for frames again later.

import { canHash, digestOf, textsOf } from "./digest.js";
import { APPLIED, GAP, Replica } from "./replica.js";
import { HistoryMissing, Outbox, outcomeSeen } from "./outbox.js";
import { OwedAnswers } from "./owed.js";
import { Returning } from "./returning.js";
import { plain, refusalOf } from "./sayable.js";

const SEND_AGAIN = new Set(["resend_from", "slow_down", "unavailable", "waking"]);
const PAUSE = new Set(["slow_down", "unavailable", "waking"]);
const PAUSE_MS = 500;
const REPAIRS_IN_A_ROW = 3;
/** What the server owes behind a refused op. */
const HOLD = "answers to the ops behind a refused one";

export class Session {
  user = "";
  role = "";
  limits = {};
  isSynced = false;
  /** Events went by, and a sync of every channel is on its way. */
  isStale = false;
  replica = new Replica();
  presence = {};
  summary = null;
  mismatches = 0;
  lastError = null;
  ownPresence = null;
  #welcome = null;
  #chunks = new Map();
  #staged = [];
  #withdrawn = new Set();
  #frames = [];
  #repairs = new Map();
  #owed;
  #resumeAt = 0;
  #returning;

  constructor(hooks, options) {
    this.hooks = hooks;
    this.outbox = new Outbox(options);
    this.#owed = new OwedAnswers(hooks.overdue);
    this.#returning = new Returning(hooks.returned);
  }

  get isBehind() {
    return this.isStale || this.#repairs.size > 0;
  }

  /** The first frame of a connection. */
  hello(wedding, token) {
    const { generation } = this.replica;
    const frame = { type: "hello", version: 1, wedding, token, clientVersion: "wedsync-js/1" };
    if (this.outbox.client) frame.client = this.outbox.client;
    if (generation !== null) frame.resume = { generation, channels: this.replica.sequences() };
    return frame;
  }

  submit(pending) {
    pending.op = plain(pending.op);
    pending.generation = this.replica.generation;
    this.outbox.add(pending);
  }

  /** Change a draft; its `base` is of the log that we know now. */
  amend(pending, members) {
    pending.op = plain({ ...pending.op, ...members });
    pending.generation = this.replica.generation;
  }

  discard(pending) {
    this.outbox.discard(pending);
    this.#returning.forget(pending);
  }

  /** What is to be sent now, in order. */
  toSend() {
    const frames = this.#frames.splice(0);
    // Not by the time of day, which may go back.
    if (this.isSynced && performance.now() >= this.#resumeAt)
      for (const pending of this.outbox.toSend())
        frames.push({ type: "collaboration_event", op: { ...pending.op, id: `${this.outbox.client}:${pending.number}` } });
    return frames;
  }

  showPresence(presence) {
    const frame = plain({ type: "presence_update", presence });
    const refusal = refusalOf(frame);
    if (refusal) return this.hooks.error({ type: "error", ...refusal });
    this.ownPresence = frame.presence;
    if (this.isSynced) this.#frames.push(frame);
  }

  /** Forget what belonged to the connection. */
  disconnected() {
    Object.assign(this, { isSynced: false, isStale: false, presence: {}, summary: null });
    this.#welcome = null;
    this.#resumeAt = 0;
    for (const forgotten of [this.#chunks, this.#withdrawn, this.#repairs, this.#owed]) forgotten.clear();
    this.#staged = [];
    this.#frames = [];
  }

  wipe() {
    this.replica = new Replica();
    this.outbox.wipe();
  }

  /** Follow one frame; throws HistoryMissing when we must go on under a new client id. Unknown types are passed over. */
  take(frame) {
    this.#handlers[frame.type]?.(frame);
    this.#returning.check();
  }

  #handlers = {
    welcome: (frame) => (this.#welcome = frame),
    data_sync: (frame) => this.#collect(frame),
    stale: () => (this.isStale = true),
    synced: () => this.#synced(),
    collaboration_event: ({ events }) => this.#follow(events),
    saved: ({ op }) => this.outbox.saved(this.#numberOf(op)),
    applied: ({ op }) => this.#settle(op, { op, applied: true }),
    rejected: (frame) => this.#rejected(frame),
    withdrawn: ({ channel }) => this.#withdraw(channel),
    presence_update: (frame) => this.#followPresence(frame),
    // Whoever cannot compute digests makes no claim: an empty one would be called a difference.
    verify: () => canHash && this.#claim({ type: "ping" }),
    error: (frame) => {
      this.lastError = frame;
      this.hooks.error(frame);
    },
  };

  // Syncs: until `synced` they are staged, and nothing of them shows.

  #collect(frame) {
    const chunks = this.#chunks.get(frame.channel) ?? [];
    this.#chunks.set(frame.channel, [...chunks, frame]);
    if (frame.more) return;
    this.#staged.push(this.#chunks.get(frame.channel));
    this.#chunks.delete(frame.channel);
    if (this.isSynced && !this.isStale) this.#install();
  }

  #synced() {
    if (!this.isSynced) this.#begin();
    this.isStale = false;
    this.#install();
  }

  #begin() {
    const { client, lastOp, generation, channels, user, role, limits } = this.#welcome;
    for (const pending of this.outbox.unanswered())
      if (pending.generation !== null && pending.generation !== generation) forgetBase(pending);
    Object.assign(this, { user, role, limits, isSynced: true });
    this.replica.generation = generation;
    this.replica.keepOnly(Object.keys(channels).filter((name) => !this.#withdrawn.has(name)));
    this.#returning.begin(this.outbox.unanswered());
    this.outbox.start(client, lastOp);
    if (this.ownPresence) this.showPresence(this.ownPresence);
  }

  #install() {
    const reports = this.#staged.map((chunks) => this.replica.install(chunks));
    this.#staged = [];
    this.#settleOwn(reports.flatMap((report) => report.events));
    for (const report of reports) {
      for (const event of report.events) this.hooks.event(event);
      this.hooks.sync(report);
      this.#check(report);
    }
  }

  /** Compare digests after a sync; a mismatch is counted and repaired by a sync of that channel alone. */
  async #check({ channel, digest, isWhole }) {
    this.#owed.came(channel);
    const texts = textsOf(this.replica.channels.get(channel).state);
    const replica = this.replica;
    const agrees = isWhole && (!canHash || (await digestOf(texts)) === digest);
    if (replica !== this.replica) return;
    if (agrees) this.#repairs.delete(channel);
    else {
      this.mismatches += 1;
      if ((this.#repairs.get(channel) ?? 0) < REPAIRS_IN_A_ROW) this.#repair(channel, "digest");
    }
    this.hooks.changed();
  }

  #repair(channel, reason) {
    if (this.#owed.has(channel)) return;
    this.#repairs.set(channel, (this.#repairs.get(channel) ?? 0) + 1);
    this.#owed.expect(channel);
    this.#claim({ type: "data_sync", reason }, [channel]);
  }

  /** Let the server compare our digests: it sends a sync for each channel that differs. */
  verify() {
    return this.#claim({ type: "data_sync", reason: "check" });
  }

  /** Send a frame with what we hold of these channels, or of all. */
  async #claim(frame, names) {
    const channels = await this.replica.claims(names);
    if (!this.isSynced) return;
    this.#frames.push({ ...frame, channels });
    this.hooks.soon(0);
  }

  #withdraw(channel) {
    if (this.isSynced) this.replica.channels.delete(channel);
    else this.#withdrawn.add(channel);
    this.#repairs.delete(channel);
    this.#owed.came(channel);
  }

  // Live events and answers.

  #follow(events) {
    const applied = [];
    for (const event of events) {
      const followed = this.replica.follow(event);
      if (followed === APPLIED) applied.push(event);
      else if (followed === GAP) this.#repair(event.channel, "gap");
    }
    this.#settleOwn(events);
    for (const event of applied) this.hooks.event(event);
  }

  /** Our own event is the answer to our op, also when it came before. */
  #settleOwn(events) {
    const ours = events.filter((event) => event.userId === this.user);
    for (const op of new Set(ours.map((event) => event.id))) this.#settle(op, outcomeSeen(op, ours.filter((event) => event.id === op)));
  }

  #settle(op, outcome) {
    const number = this.#numberOf(op);
    if (!number) return;
    this.outbox.settle(number, outcome);
    this.#goOn();
  }

  #rejected({ op, code, message, remedy, next = 0, retryAfterMs }) {
    const number = this.#numberOf(op);
    if (!number) return;
    if (code === "client_expired") throw new HistoryMissing("The server has forgotten this client.");
    const outcome = { op, applied: false, code, message, remedy };
    if (next > number) {
      this.#settle(op, outcome);
      return;
    }
    if (!this.outbox.refuse(number, next || number, outcome, !SEND_AGAIN.has(code))) return;
    if (PAUSE.has(code)) {
      const pause = retryAfterMs ?? PAUSE_MS;
      this.#resumeAt = Math.max(this.#resumeAt, performance.now() + pause);
      this.hooks.soon(pause + 1);
    }
    this.#goOn();
  }

  /** Send what may be sent, once no answer to an op behind a refused one is on its way any more. */
  #goOn() {
    if (this.outbox.isHolding && !this.outbox.release()) return this.#owed.expect(HOLD);
    this.#owed.came(HOLD);
    this.hooks.soon(0);
  }

  /** The number of an op of this client, 0 for an op of somebody else. */
  #numberOf(op) {
    const end = op.lastIndexOf(":");
    return op.slice(0, end) === this.outbox.client ? Number(op.slice(end + 1)) : 0;
  }

  #followPresence({ whole, presence, summary = null }) {
    if (whole) this.presence = {};
    for (const [user, each] of Object.entries(presence)) {
      if (each === null) delete this.presence[user];
      else this.presence[user] = each;
    }
    this.summary = summary;
    this.hooks.presence(this.presence, summary);
  }
}

/** The claims belong to a log that is gone; an edit of a text then says so with 0. */
function forgetBase(pending) {
  const base = pending.op.action === "edit" ? Object.fromEntries(Object.keys(pending.op.base ?? {}).map((name) => [name, 0])) : {};
  pending.op = { ...pending.op, base };
  pending.generation = null;
}
