// How an item's fields hold a text with attributes, and the difference of two texts: the same as actors/contract/text_form.py.
//
// A text field holds the plain text; attributes stand beside it in `<field>Format` as [[length, attributes], ...], without a plain run
// at the end and absent where all is plain. No dependencies but text_ot.js.

import { codePoints, compose, lengthBefore, lengthOf, normalForm, tooLong, toUnits, withAttributes } from "./text_ot.js";

/** A text with its format, as in the fields `text` and `textFormat`, as inserts with attributes. */
export function contentOf(text, runs) {
  const content = [];
  let unit = 0;
  for (const [length, attributes] of runs ?? []) {
    const end = unit + toUnits(text.slice(unit), length);
    content.push(withAttributes({ insert: text.slice(unit, end) }, attributes));
    unit = end;
  }
  return normalForm([...content, { insert: text.slice(unit) }]);
}

/** The opposite: {text, format}, format undefined where all is plain. */
export function partsOf(content) {
  const runs = content.map((piece) => [lengthOf(piece), piece.attributes ?? {}]);
  while (runs.length && Object.keys(runs.at(-1)[1]).length === 0) runs.pop();
  return { text: content.map((piece) => piece.insert).join(""), format: runs.length ? runs : undefined };
}

/** Follow a change {edit: {field: delta}} in the fields of an item, in place. */
export function editField(fields, field, delta) {
  const text = fields[field] ?? "";
  const beyond = lengthBefore(delta) - codePoints(text);
  if (beyond > 0) throw tooLong(beyond);
  const { text: after, format } = partsOf(compose(contentOf(text, fields[`${field}Format`]), delta));
  fields[field] = after;
  if (format === undefined) delete fields[`${field}Format`];
  else fields[`${field}Format`] = format;
}

/** The delta from one text to another: what they have in common at both ends stays. Good for an editor's input event. */
export function diff(before, after) {
  const old = Array.from(before);
  const now = Array.from(after);
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  const inserted = now.slice(start, now.length - end).join("");
  return normalForm([{ retain: start }, { insert: inserted }, { delete: old.length - start - end }]);
}
