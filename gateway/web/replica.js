// The confirmed state as its events made it, channel by channel: the same as gateway/client/replica.py. No IO, no clock.
//
// An event is followed only when its sequence is the next one of its channel, so nothing is ever held by half.

import { canHash, digestOf, textsOf } from "./digest.js";
import { editField } from "./text_form.js";

export const APPLIED = "applied";
export const KNOWN = "known";
export const GAP = "gap";

/** Follow the changes of one event in {collection: {id: fields}}, in place. */
export function applyChanges(state, changes) {
  for (const change of changes) {
    const items = (state[change.collection] ??= {});
    const fields = items[change.id];
    if (change.insert !== undefined) items[change.id] = { ...change.insert };
    else if (change.remove !== undefined) delete items[change.id];
    else if (change.set !== undefined && fields) mergeFields(fields, change.set);
    else if (change.edit !== undefined && fields)
      for (const [field, delta] of Object.entries(change.edit)) editField(fields, field, delta);
    if (Object.keys(items).length === 0) delete state[change.collection];
  }
}

/** Set each field to its new value in place; null removes it. */
export function mergeFields(fields, values) {
  for (const [field, value] of Object.entries(values)) {
    if (value === null) delete fields[field];
    else fields[field] = value;
  }
}

/** Items as readers sort them: [[id, fields], ...] by (order, id). */
export function inOrder(items) {
  const key = ([id, fields]) => [String(fields.order ?? ""), id];
  return Object.entries(items ?? {}).sort((one, other) => compare(key(one), key(other)));
}

function compare([order, id], [otherOrder, otherId]) {
  if (order !== otherOrder) return order < otherOrder ? -1 : 1;
  return id < otherId ? -1 : Number(id > otherId);
}

export class Replica {
  /** The log that the sequences belong to; null before the first welcome. */
  generation = null;
  /** Channel to {sequence, state}; `state` is {collection: {id: fields}}. */
  channels = new Map();

  sequences() {
    return Object.fromEntries([...this.channels].map(([name, copy]) => [name, copy.sequence]));
  }

  /** All items of all channels, {collection: {id: fields}}; the fields are ours and must not be changed. */
  items() {
    const merged = {};
    for (const { state } of this.channels.values())
      for (const [collection, items] of Object.entries(state)) Object.assign((merged[collection] ??= {}), items);
    return merged;
  }

  /** The channel that holds an item, undefined when we hold no such item. */
  channelHolding(collection, id) {
    return [...this.channels].find(([, { state }]) => state[collection]?.[id] !== undefined)?.[0];
  }

  /** What we hold of these channels, {channel: {sequence, digest}}, as it is now; the digests are empty where none can be computed. */
  async claims(names = [...this.channels.keys()]) {
    const held = names.map((name) => [name, this.channels.get(name) ?? { sequence: 0, state: {} }]);
    const taken = held.map(([name, { sequence, state }]) => [name, sequence, textsOf(state)]);
    const claims = taken.map(async ([name, sequence, texts]) => [name, { sequence, digest: canHash ? await digestOf(texts) : "" }]);
    return Object.fromEntries(await Promise.all(claims));
  }

  keepOnly(names) {
    const kept = new Set(names);
    for (const name of [...this.channels.keys()]) if (!kept.has(name)) this.channels.delete(name);
  }

  /** Apply a live event if it is the next one: APPLIED, KNOWN or GAP. */
  follow(event) {
    const copy = this.channels.get(event.channel) ?? { sequence: 0, state: {} };
    if (event.sequence <= copy.sequence) return KNOWN;
    if (event.sequence !== copy.sequence + 1) return GAP;
    this.channels.set(event.channel, copy);
    applyChanges(copy.state, event.data.changes);
    copy.sequence = event.sequence;
    return APPLIED;
  }

  /** Bring a channel to where its sync says; `frames` are its chunks in order. Returns the report of it. */
  install(frames) {
    const last = frames.at(-1);
    const isSnapshot = last.mode === "snapshot";
    const held = isSnapshot ? undefined : this.channels.get(last.channel);
    const copy = held ?? { sequence: 0, state: {} };
    const events = [];
    for (const frame of frames) {
      for (const [collection, items] of Object.entries(frame.state ?? {})) Object.assign((copy.state[collection] ??= {}), items);
      for (const event of frame.events ?? []) {
        if (event.sequence !== copy.sequence + 1) continue;
        applyChanges(copy.state, event.data.changes);
        copy.sequence = event.sequence;
        events.push(event);
      }
    }
    if (isSnapshot) copy.sequence = last.sequence;
    this.channels.set(last.channel, copy);
    return {
      channel: last.channel,
      isSnapshot,
      reason: last.reason,
      events,
      digest: last.digest,
      isWhole: copy.sequence === last.sequence,
    };
  }
}
