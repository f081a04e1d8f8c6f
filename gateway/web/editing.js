// What a program sees and does of the wedding: the confirmed state, the view with our own ops in it, and the edits.
//
// The base of `Client`, which sets `session` and is told of every edit by `submitted()`.

import { OP_TYPES, overlay } from "./collections.js";
import { Pending } from "./outbox.js";

export class Editing extends EventTarget {
  /** The confirmed items, {collection: {id: fields}}. */
  confirmed() {
    return this.session.replica.items();
  }

  /** The same with our unanswered inserts, updates and deletes laid over it: what a person should see now. */
  view() {
    return overlay(this.confirmed(), this.session.outbox.unanswered().map((pending) => pending.op));
  }

  /** Queue an op; it is sent once we are connected. Returns {saved, outcome}, two promises. */
  edit(action, collection, id, data, options) {
    return this.finish(this.#add(action, collection, id, data, options));
  }

  /** The same, kept but not sent before `finish`; until then `amend` changes it and `discard` takes it back. */
  draft(action, collection, id, data, options) {
    const pending = this.#add(action, collection, id, data, options);
    this.submitted();
    return pending;
  }

  #add(action, collection, id, data = {}, { type = OP_TYPES[collection], base, ...more } = {}) {
    const channel = this.session.replica.channelHolding(collection, id);
    const claims = base ?? (channel ? { [channel]: this.session.replica.channels.get(channel).sequence } : {});
    const { field, ...members } = more;
    const target = field === undefined ? { collection, id } : { collection, id, field };
    const pending = new Pending({ type, action, target, data, base: claims, ...members });
    this.session.submit(pending);
    pending.outcome.then((outcome) => outcome.applied || this.dispatchEvent(new CustomEvent("refused", { detail: { op: pending.op, outcome } })));
    return pending;
  }

  amend(pending, members) {
    this.session.amend(pending, members);
    this.submitted();
  }

  finish(pending) {
    this.session.outbox.finish(pending);
    this.submitted();
    return pending;
  }

  discard(pending) {
    this.session.discard(pending);
    this.submitted();
  }

  /** Whether so many ops wait for an answer that no more are taken. */
  get isFull() {
    return this.session.outbox.isFull;
  }

  insert(collection, id, data) {
    return this.edit("insert", collection, id, data);
  }

  update(collection, id, data) {
    return this.edit("update", collection, id, data);
  }

  delete(collection, id) {
    return this.edit("delete", collection, id);
  }

  move(collection, id, after) {
    return this.edit("move", collection, id, { after });
  }

  showPresence(presence) {
    this.session.showPresence(presence);
    this.submitted();
  }

  /** Let the server compare our digests; it repairs what differs. */
  verify() {
    return this.session.verify();
  }
}
