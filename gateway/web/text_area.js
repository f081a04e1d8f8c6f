// Joins a TextEditor with a textarea: typing, undo and the cursor on one side, edits of others on the other.
//
// The text area counts UTF-16 units, the editor code points. While a composition is under way (accents, Japanese, many phones) nothing
// is written into the area, which would end it; what came meanwhile is laid over at its end.

import { diff } from "./text_form.js";
import { toCodePoints, toUnits, transform } from "./text_ot.js";

/** Let a textarea show and change an editor's text; returns the function that ends it. */
export function joinTextArea(editor, area) {
  let shown = null;
  let isComposing = false;

  function show() {
    if (isComposing) return;
    if (shown === editor.text) return;
    shown = editor.text;
    if (area.value === shown) return;
    const [start, end] = editor.selection.map((position) => toUnits(shown, position));
    area.value = shown;
    area.setSelectionRange(start, end);
  }

  function follow() {
    if (isComposing) return;
    const typed = diff(shown, area.value);
    const delta = transform(typed, diff(shown, editor.text), false);
    shown = area.value;
    // Nothing typed is no step that could be taken back.
    if (delta.length > 0) editor.edit(delta);
    show();
    select();
  }

  function select() {
    if (!isComposing && area.value === editor.text)
      editor.select(toCodePoints(area.value, area.selectionStart), toCodePoints(area.value, area.selectionEnd));
  }

  const hears = {
    input: follow,
    compositionstart: () => (isComposing = true),
    compositionend: () => {
      isComposing = false;
      follow();
    },
    // The browser's own undo knows nothing of what others write.
    keydown: (pressed) => {
      const step = stepOf(pressed);
      if (!step) return;
      pressed.preventDefault();
      editor[step]();
    },
    beforeinput: (coming) => {
      const step = { historyUndo: "undo", historyRedo: "redo" }[coming.inputType];
      if (!step) return;
      coming.preventDefault();
      editor[step]();
    },
    select,
    keyup: select,
    pointerup: select,
  };
  for (const [type, listener] of Object.entries(hears)) area.addEventListener(type, listener);
  editor.addEventListener("change", show);
  show();
  return () => {
    for (const [type, listener] of Object.entries(hears)) area.removeEventListener(type, listener);
    editor.removeEventListener("change", show);
  };
}

function stepOf({ key, ctrlKey, metaKey, shiftKey, altKey }) {
  if (!(ctrlKey || metaKey) || altKey) return null;
  if (key.toLowerCase() === "z") return shiftKey ? "redo" : "undo";
  return key.toLowerCase() === "y" && ctrlKey ? "redo" : null;
}
