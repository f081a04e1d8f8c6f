// One text as one client writes it: the same as gateway/client/text_session.py. No IO; `TextEditor` joins it with a connection.
//
// What others write is moved over what is not confirmed, and that over what they write (docs/protocol.md, Texts).

import { diff, partsOf } from "./text_form.js";
import { compose, invert, transform, transformPosition } from "./text_ot.js";

const UNDO_STEPS = 100;

/** What is confirmed, one edit in flight, and what was typed meanwhile; no IO. */
export class TextSession {
  selection = [0, 0];
  #confirmed;
  /** The confirmed text as it was when we lost sight of it with an edit in flight; null while we follow. */
  #left = null;
  #inFlight = null;
  #typed = [];
  #undo = [];
  #redo = [];

  constructor(content = []) {
    this.#confirmed = content;
  }

  /** What a person should see now, as inserts with attributes. */
  get content() {
    return compose(compose(this.#left ?? this.#confirmed, this.#inFlight ?? []), this.#typed);
  }

  get text() {
    return partsOf(this.content).text;
  }

  /** What was typed since the edit in flight: to be kept, and sent after it. */
  get typed() {
    return this.#typed;
  }

  get isSettled() {
    return this.#inFlight === null && this.#typed.length === 0;
  }

  /** Change the text that we see; throws RangeError where the delta goes beyond its end. */
  edit(delta) {
    this.#undo.push(this.#type(delta));
    this.#redo = [];
    if (this.#undo.length > UNDO_STEPS) this.#undo.shift();
  }

  /** Take our last edit back and leave those of others; false when there is none. */
  undo() {
    return this.#step(this.#undo, this.#redo);
  }

  redo() {
    return this.#step(this.#redo, this.#undo);
  }

  /** The next edit to send, made on the confirmed text; null while one is in flight or nothing was typed. */
  take() {
    if (this.#inFlight !== null || this.#typed.length === 0) return null;
    [this.#inFlight, this.#typed] = [this.#typed, []];
    return this.#inFlight;
  }

  /** Follow an edit of somebody else. */
  follow(delta) {
    this.#confirmed = compose(this.#confirmed, delta);
    if (this.#left !== null) return;
    let theirs = delta;
    if (this.#inFlight !== null) [theirs, this.#inFlight] = past(theirs, this.#inFlight);
    this.#moveTyped(theirs);
  }

  /** Follow our own edit as the server applied it. */
  confirm(delta) {
    const before = this.#confirmed;
    this.#confirmed = compose(before, delta);
    if (this.#left === null && sameDelta(delta, this.#inFlight)) {
      this.#inFlight = null;
      return;
    }
    this.#left ??= before;
    this.answered(false);
  }

  /** The edit in flight has its answer and no event follows; `keep` says that it is to be sent again. */
  answered(keep) {
    if (this.#inFlight === null) return;
    let before = this.#left ?? this.#confirmed;
    if (keep) this.#typed = compose(this.#inFlight, this.#typed);
    else before = compose(before, this.#inFlight);
    this.#inFlight = this.#left = null;
    this.#moveTyped(difference(before, this.#confirmed));
  }

  /** Go on from another confirmed text: a snapshot, or a field that was set whole. */
  reset(content) {
    const before = this.#confirmed;
    this.#confirmed = content;
    if (this.#inFlight === null) this.#moveTyped(difference(before, content));
    else this.#left ??= before;
  }

  #type(delta) {
    const inverse = invert(delta, this.content);
    this.#typed = compose(this.#typed, delta);
    this.#moveSelection(delta, false);
    return inverse;
  }

  #step(source, target) {
    if (source.length === 0) return false;
    target.push(this.#type(source.pop()));
    return true;
  }

  #moveTyped(theirs) {
    let seen;
    [seen, this.#typed] = past(theirs, this.#typed);
    for (const steps of [this.#undo, this.#redo]) {
      let moving = seen;
      for (let index = steps.length - 1; index >= 0; index -= 1) [moving, steps[index]] = past(moving, steps[index]);
    }
    this.#moveSelection(seen, true);
  }

  #moveSelection(delta, stays) {
    this.selection = this.selection.map((position) => transformPosition(position, delta, stays));
  }
}

/** Both as they follow on each other; theirs was decided first. */
function past(theirs, mine) {
  return [transform(theirs, mine, true), transform(mine, theirs, false)];
}

function sameDelta(one, other) {
  return JSON.stringify(one?.map(sorted)) === JSON.stringify(other?.map(sorted));
}

function sorted({ attributes, ...component }) {
  return [component, attributes && Object.entries(attributes).sort()];
}

/** The delta between two texts with attributes: by their plain texts where both are plain, else the whole anew. */
function difference(before, after) {
  const isPlain = [...before, ...after].every((piece) => piece.attributes === undefined);
  if (isPlain) return diff(partsOf(before).text, partsOf(after).text);
  if (sameDelta(before, after)) return [];
  return compose(invert(before, []), after);
}
