// Operational transform for text in JavaScript: the same as actors/contract/text_ot.py, for browsers and node.
//
// A delta is a list of {retain: n}, {insert: text}, {delete: n}, the first two optionally with attributes. Lengths count Unicode code
// points; JavaScript's strings count UTF-16 units, so use toCodePoints/toUnits at the border to an editor. docs/text-vectors.json is
// checked against both implementations. No dependencies, no state; whoever edits a text live uses text_editor.js on top of this.

const ENDLESS = Number.MAX_SAFE_INTEGER;

/** How many code points a string has. */
export function codePoints(text) {
  let count = 0;
  for (let unit = 0; unit < text.length; unit += 1) {
    const isHead = isHighSurrogate(text.charCodeAt(unit)) && isLowSurrogate(text.charCodeAt(unit + 1));
    unit += isHead ? 1 : 0;
    count += 1;
  }
  return count;
}

/** The index in UTF-16 units of a position in code points; never in the middle of a surrogate pair. */
export function toUnits(text, position) {
  let unit = 0;
  for (let count = 0; count < position && unit < text.length; count += 1) {
    unit += isHighSurrogate(text.charCodeAt(unit)) && isLowSurrogate(text.charCodeAt(unit + 1)) ? 2 : 1;
  }
  return unit;
}

/** The position in code points of an index in UTF-16 units, such as an editor's selectionStart. */
export function toCodePoints(text, unit) {
  return codePoints(text.slice(0, unit));
}

function isHighSurrogate(unit) {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** How many code points a component is about. */
export function lengthOf(component) {
  if (component.insert !== undefined) return codePoints(component.insert);
  return component.retain ?? component.delete;
}

/** How much of the text a delta goes over; the text may be longer. */
export function lengthBefore(delta) {
  return delta.reduce((sum, component) => sum + (component.insert === undefined ? lengthOf(component) : 0), 0);
}

/** By how many code points the text becomes longer. */
export function growth(delta) {
  return delta.reduce((sum, c) => sum + (c.insert !== undefined ? lengthOf(c) : 0) - (c.delete ?? 0), 0);
}

/** The one shortest form: nothing empty, neighbours joined, insert before delete, no retain at the end. */
export function normalForm(delta) {
  const writer = new Writer();
  for (const component of delta) writer.push(component);
  return writer.finish();
}

/** The text after the delta, whatever its attributes; throws RangeError where the delta goes beyond its end. */
export function apply(text, delta) {
  let result = "";
  let unit = 0;
  for (const component of delta) {
    if (component.insert !== undefined) {
      result += component.insert;
      continue;
    }
    const end = unit + toUnits(text.slice(unit), lengthOf(component));
    if (codePoints(text.slice(unit, end)) < lengthOf(component)) throw tooLong(lengthBefore(delta) - codePoints(text));
    if (component.retain !== undefined) result += text.slice(unit, end);
    unit = end;
  }
  return result + text.slice(unit);
}

/** The delta that does `first` and then `second`. */
export function compose(first, second) {
  const one = new Reader(first);
  const two = new Reader(second);
  const writer = new Writer();
  while (one.hasMore || two.hasMore) {
    if (two.kind === "insert") {
      writer.push(two.take());
    } else if (one.kind === "delete") {
      writer.push(one.take());
    } else {
      const length = Math.min(one.length, two.length);
      const before = one.take(length);
      const after = two.take(length);
      if (after.delete === undefined) writer.push(withAttributes(before, composedAttributes(before, after)));
      else if (before.retain !== undefined) writer.push(after);
    }
  }
  return writer.finish();
}

/**
 * `delta` as it must be where `other`, made on the same text, was applied before it. `first`: `delta` was decided before `other`, so
 * of two inserts at one place its own stands before, and of two values of one attribute the other's holds.
 */
export function transform(delta, other, first) {
  const mine = new Reader(delta);
  const theirs = new Reader(other);
  const writer = new Writer();
  while (mine.hasMore) {
    if (theirs.kind === "insert" && !(first && mine.kind === "insert")) {
      writer.push({ retain: lengthOf(theirs.take()) });
    } else if (mine.kind === "insert") {
      writer.push(mine.take());
    } else {
      const length = Math.min(mine.length, theirs.length);
      const own = mine.take(length);
      const foreign = theirs.take(length);
      if (foreign.delete !== undefined) continue;
      writer.push(first && own.attributes !== undefined ? withoutOverruled(own, foreign) : own);
    }
  }
  return writer.finish();
}

/** The delta that takes `delta` back; `text` is what it is applied to, plain or as inserts with attributes. */
export function invert(delta, text) {
  const before = new Reader(typeof text === "string" ? [{ insert: text }] : text);
  const writer = new Writer();
  for (const component of delta) {
    if (component.insert !== undefined) {
      writer.push({ delete: lengthOf(component) });
    } else if (component.delete !== undefined) {
      for (const piece of before.takeAll(component.delete)) writer.push(piece);
    } else {
      for (const piece of before.takeAll(component.retain)) {
        writer.push(withAttributes({ retain: lengthOf(piece) }, formerAttributes(component, piece)));
      }
    }
  }
  return writer.finish();
}

/** Where a cursor (in code points) stands after a delta; `stays` keeps it before what is inserted right at its place. */
export function transformPosition(position, delta, stays = false) {
  let place = 0;
  for (const component of delta) {
    const length = lengthOf(component);
    if (component.insert !== undefined) {
      if (place < position || (place === position && !stays)) position += length;
      place += length;
    } else if (component.retain !== undefined) {
      place += length;
    } else if (place < position) {
      position -= Math.min(length, position - place);
    }
    if (place > position) break;
  }
  return position;
}

/** A text, the deltas applied to it one after the other, an edit made on it meanwhile: the text after all, and the edit as applied. */
export function applyOperationalTransform(text, applied, delta) {
  let edit = normalForm(delta);
  for (const earlier of applied) {
    edit = transform(edit, earlier, false);
    text = apply(text, earlier);
  }
  return { text: apply(text, edit), delta: edit };
}

/** What is thrown where a delta goes beyond the end of its text. */
export function tooLong(beyond) {
  return new RangeError(`The delta goes ${beyond} code points beyond the end of the text.`);
}

/** Takes a delta apart, piece by piece; behind its end it is one endless retain. */
class Reader {
  #components;
  #index = 0;
  #left; // what is left of the present component, itself a component

  constructor(components) {
    this.#components = components;
    this.#left = components[0];
  }

  get hasMore() {
    return this.#index < this.#components.length;
  }

  get kind() {
    if (!this.hasMore) return "retain";
    if (this.#left.insert !== undefined) return "insert";
    return this.#left.retain !== undefined ? "retain" : "delete";
  }

  get length() {
    return this.hasMore ? lengthOf(this.#left) : ENDLESS;
  }

  take(limit = ENDLESS) {
    if (!this.hasMore) return { retain: limit };
    const component = this.#left;
    if (limit >= lengthOf(component)) {
      this.#index += 1;
      this.#left = this.#components[this.#index];
      return component;
    }
    if (component.insert !== undefined) {
      const unit = toUnits(component.insert, limit);
      this.#left = withAttributes({ insert: component.insert.slice(unit) }, component.attributes);
      return withAttributes({ insert: component.insert.slice(0, unit) }, component.attributes);
    }
    if (component.retain !== undefined) {
      this.#left = withAttributes({ retain: component.retain - limit }, component.attributes);
      return withAttributes({ retain: limit }, component.attributes);
    }
    this.#left = { delete: component.delete - limit };
    return { delete: limit };
  }

  takeAll(length) {
    const pieces = [];
    while (length > 0) {
      if (!this.hasMore) throw tooLong(length);
      const piece = this.take(length);
      length -= lengthOf(piece);
      pieces.push(piece);
    }
    return pieces;
  }
}

/** Puts a delta together in normal form. */
class Writer {
  #written = [];

  push(component) {
    if (lengthOf(component) === 0) return;
    const written = this.#written;
    let place = written.length;
    // What is inserted beside something deleted stands before it, so that equal edits have equal forms.
    if (component.insert !== undefined && place && written[place - 1].delete !== undefined) place -= 1;
    const joined = place ? join(written[place - 1], component) : undefined;
    if (joined !== undefined) written[place - 1] = joined;
    else written.splice(place, 0, component);
  }

  finish() {
    const written = this.#written;
    while (written.length && written.at(-1).retain !== undefined && !hasAny(written.at(-1).attributes)) written.pop();
    return written;
  }
}

function join(left, right) {
  if (left.delete !== undefined) return right.delete !== undefined ? { delete: left.delete + right.delete } : undefined;
  if (right.delete !== undefined || !sameAttributes(left.attributes, right.attributes)) return undefined;
  if (left.insert !== undefined) {
    return right.insert !== undefined ? withAttributes({ insert: left.insert + right.insert }, left.attributes) : undefined;
  }
  return right.retain !== undefined ? withAttributes({ retain: left.retain + right.retain }, left.attributes) : undefined;
}

/** The retain or insert with exactly these attributes. */
export function withAttributes(component, attributes) {
  const bare = component.insert !== undefined ? { insert: component.insert } : { retain: component.retain };
  if (hasAny(attributes)) bare.attributes = attributes;
  return bare;
}

function hasAny(attributes) {
  return attributes !== undefined && Object.keys(attributes).length > 0;
}

function sameAttributes(left = {}, right = {}) {
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every((name) => Object.hasOwn(right, name) && left[name] === right[name]);
}

function composedAttributes(before, after) {
  const both = { ...before.attributes, ...after.attributes };
  if (before.insert === undefined) return both;
  // A removal has nothing left to remove from text that was just inserted.
  return Object.fromEntries(Object.entries(both).filter(([, value]) => value !== null));
}

function withoutOverruled(own, foreign) {
  const kept = Object.entries(own.attributes).filter(([name]) => !Object.hasOwn(foreign.attributes ?? {}, name));
  return withAttributes(own, Object.fromEntries(kept));
}

function formerAttributes(change, piece) {
  const former = piece.attributes ?? {};
  const entries = Object.entries(change.attributes ?? {}).filter(([name, value]) => (Object.hasOwn(former, name) ? former[name] : null) !== value);
  return Object.fromEntries(entries.map(([name]) => [name, Object.hasOwn(former, name) ? former[name] : null]));
}
