// One text under the hands of several people: the same as gateway/client/text_editor.py.
//
//   const editor = new TextEditor(client, "documents", "vows");
//   editor.addEventListener("change", () => show(editor.text, editor.selection));
//   textarea.addEventListener("input", () => editor.replace(textarea.value));
//
// Typing never waits: one edit is in flight, the rest is composed into a draft, which the client keeps beside it, so that a text typed
// without a connection outlives the page as well. Positions are code points; text_area.js joins an editor with a textarea.

import { plain, wellFormed } from "./sayable.js";
import { contentOf, diff } from "./text_form.js";
import { TextSession } from "./text_session.js";

/** A `TextSession` that lives on a client's connection; tells "change". */
export class TextEditor extends EventTarget {
  /** Why the server refused our last edit for good; that edit is taken out of the text. */
  refused = null;
  #client;
  #place;
  #session;
  /** Where the item stands; null before its insert has its answer: an edit then claims nothing and follows the insert. */
  #channel;
  #sequence;
  #isGone = false;
  #isClosing = false;
  #pending = null;
  #draft = null;
  #heard = ({ detail }) => this.#onEvent(detail);
  #synced = ({ detail }) => this.#onSync(detail);

  constructor(client, collection, id, field = "text") {
    super();
    this.#client = client;
    this.#place = { collection, id, field };
    const now = this.#now();
    [this.#channel, this.#sequence] = [now.channel, now.sequence];
    this.#session = new TextSession(now.content);
    client.addEventListener("event", this.#heard);
    client.addEventListener("sync", this.#synced);
  }

  get text() {
    return this.#session.text;
  }

  get content() {
    return this.#session.content;
  }

  get isSaved() {
    return this.#session.isSettled;
  }

  get selection() {
    return this.#session.selection;
  }

  select(start, end = start) {
    this.#session.selection = [start, end];
  }

  insert(position, text) {
    this.edit([{ retain: position }, { insert: text }]);
  }

  delete(position, length) {
    this.edit([{ retain: position }, { delete: length }]);
  }

  /** Change the text into another one, by what differs: for a textarea's input event. */
  replace(text) {
    this.edit(diff(this.text, text));
  }

  /** Half a surrogate pair is no character, and two halves would count as one later: each becomes U+FFFD. */
  edit(delta) {
    this.#session.edit(plain(delta).map((each) => (each.insert === undefined ? each : { ...each, insert: wellFormed(each.insert) })));
    this.#send();
  }

  undo() {
    return this.#stepped(this.#session.undo());
  }

  redo() {
    return this.#stepped(this.#session.redo());
  }

  /** Stop following as soon as what was typed has arrived. */
  close() {
    this.#isClosing = true;
    this.#send();
  }

  #leave() {
    this.#finishDraft();
    this.#client.removeEventListener("event", this.#heard);
    this.#client.removeEventListener("sync", this.#synced);
  }

  #stepped(done) {
    this.#send();
    return done;
  }

  #now() {
    const { collection, id, field } = this.#place;
    const { replica } = this.#client.session;
    const channel = replica.channelHolding(collection, id);
    if (channel === undefined) return { channel: null, content: [], sequence: 0 };
    const { state, sequence } = replica.channels.get(channel);
    return { channel, content: contentOfField(state[collection][id], field), sequence };
  }

  #send() {
    this.dispatchEvent(new CustomEvent("change"));
    if (!this.#isGone) this.#sendTyped();
    if (this.#isClosing && (this.#isGone || this.isSaved)) this.#leave();
  }

  #sendTyped() {
    this.#write();
    if (this.#pending !== null || this.#draft === null) return;
    this.#session.take();
    const pending = (this.#pending = this.#finishDraft());
    pending.outcome.then((outcome) => this.#answered(pending, outcome));
  }

  /** Let the draft say what is typed; where the outbox is full, the next change tries again. */
  #write() {
    const delta = this.#session.typed;
    const base = this.#channel === null ? {} : { [this.#channel]: this.#sequence };
    if (delta.length === 0) {
      if (this.#draft !== null) this.#client.discard(this.#draft);
      this.#draft = null;
    } else if (this.#draft !== null) {
      this.#client.amend(this.#draft, { data: { delta }, base });
    } else if (!this.#client.isFull) {
      const { collection, id, field } = this.#place;
      this.#draft = this.#client.draft("edit", collection, id, { delta }, { field, base });
    }
  }

  #finishDraft() {
    const draft = this.#draft;
    this.#draft = null;
    return draft && this.#client.finish(draft);
  }

  /** Follow an answer that came without an event; the event itself was met in #onEvent. */
  #answered(pending, outcome) {
    if (pending !== this.#pending) return;
    this.#pending = null;
    const isAgain = !outcome.applied && outcome.code === "base_too_old";
    if (!outcome.applied && !isAgain) this.refused = outcome;
    this.#session.answered(isAgain);
    this.#send();
  }

  #onEvent(event) {
    const { client } = this.#client.session.outbox;
    const isOurs = this.#pending !== null && event.userId === this.#client.session.user && event.id === `${client}:${this.#pending.number}`;
    for (const change of event.data.changes)
      if (change.collection === this.#place.collection && change.id === this.#place.id) this.#follow(event, change, isOurs);
    if (event.channel === this.#channel) this.#sequence = event.sequence;
    this.#send();
  }

  #follow(event, change, isOurs) {
    const { field } = this.#place;
    if (change.edit?.[field] !== undefined) {
      if (!isOurs) return this.#session.follow(change.edit[field]);
      this.#pending = null;
      this.#session.confirm(change.edit[field]);
    } else if (change.insert !== undefined) {
      [this.#channel, this.#sequence, this.#isGone] = [event.channel, event.sequence, false];
      this.#session.reset(contentOfField(change.insert, field));
    } else if (change.remove !== undefined && event.channel === this.#channel) {
      [this.#channel, this.#isGone] = [null, true];
      // The insert into another channel comes in the same frame; without one the server says to the draft that the item is gone.
      queueMicrotask(() => this.#isGone && this.#finishDraft());
    } else if (change.set?.[field] !== undefined) {
      this.#session.reset(contentOfField(change.set, field));
    }
  }

  #onSync({ channel: synced, isSnapshot }) {
    if (!isSnapshot) return;
    const { channel, content, sequence } = this.#now();
    if (synced !== channel && synced !== this.#channel) return;
    [this.#channel, this.#sequence, this.#isGone] = [channel, sequence, channel === null];
    this.#session.reset(content);
    if (this.#isGone) this.#finishDraft();
    this.#send();
  }
}

function contentOfField(fields, field) {
  return contentOf(fields[field] ?? "", fields[`${field}Format`]);
}
