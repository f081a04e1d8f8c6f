// What the page /app shows of a wedding: status, who is here, timeline, tasks, documents, and what became of edits.
//
// Rows stay the same elements while their item is there, so that neither the focus nor a cursor is lost when others write. Texts of a
// wedding reach the page as text alone, never as markup. No connection here; app.js gives what is shown.

import { inOrder } from "./replica.js";
import { joinTextArea } from "./text_area.js";
import { TextEditor } from "./text_editor.js";

const REPORTS_SHOWN = 5;

export const find = (selector) => document.querySelector(selector);

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

export function showStatus({ state, unsaved, syncedAt, reason }) {
  const since = syncedAt ? `, last in sync at ${new Date(syncedAt).toLocaleTimeString()}` : "";
  const waiting = unsaved ? `, ${unsaved} not saved yet` : "";
  find("#status").dataset.state = state;
  find("#status").textContent = state + waiting + (state === "live" ? "" : since + (reason ? `: ${reason}` : ""));
}

export function showPresence(client) {
  const { presence, summary } = client.session;
  const { people = {} } = client.confirmed();
  find("#people").replaceChildren();
  for (const [user, { status = "online", section }] of Object.entries(presence))
    element("span", `${people[user]?.name ?? user} (${section ? `${status}, ${section}` : status})`, find("#people"));
  if (summary) element("span", `${summary.people} people are here`, find("#people"));
}

export function showRefused(client, { op, outcome }) {
  tell(`Your change of “${titleOf(client, op)}” was refused: ${outcome.message} ${outcome.remedy}`);
}

export function showConflict(client, { op }) {
  tell(`Somebody else changed “${titleOf(client, op)}” as well.`);
}

/** One more line of what a person should know. */
export function tell(line) {
  element("li", line, find("#report"));
  while (find("#report").children.length > REPORTS_SHOWN) find("#report").firstElementChild.remove();
}

function titleOf(client, { target, data }) {
  return client.view()[target.collection]?.[target.id]?.title ?? data?.title ?? target.id;
}

/** Show the lists; `act` carries out what somebody does in them and tells where that fails. */
export function showItems(client, act) {
  const view = client.view();
  const [wedding] = Object.values(view.wedding ?? {});
  const zone = wedding?.timeZone;
  find("#title").textContent = wedding ? `${wedding.title}, ${wedding.date}` : "WedSync";
  showRows(find("#timeline"), view.timeline, (row) => timelineRow(row, zone));
  showRows(find("#tasks"), view.tasks, (row, id) => taskRow(row, (done) => act(() => client.update("tasks", id, { done }))));
  showRows(find("#documents"), view.documents, (row, id) => documentRow(row, new TextEditor(client, "documents", id)));
}

/** Take everything away: the rows belong to a client that goes. */
export function clear() {
  for (const list of ["#timeline", "#tasks", "#documents"]) showRows(find(list), {});
  for (const list of ["#people", "#report"]) find(list).replaceChildren();
}

/** Bring a list to these items, in their order: `make` fills a new row and returns {show, end}. */
function showRows(list, items, make) {
  const known = new Map([...list.children].map((row) => [row.dataset.id, row]));
  const entries = inOrder(items);
  for (const [id] of entries) if (!known.has(id)) known.set(id, addRow(list, id, make));
  for (const [id, row] of known) {
    if (items?.[id]) continue;
    row.parts.end?.();
    row.remove();
  }
  for (const [index, [id, fields]] of entries.entries()) {
    const row = known.get(id);
    row.parts.show(fields);
    if (list.children[index] !== row) list.insertBefore(row, list.children[index]);
  }
}

function addRow(list, id, make) {
  const row = element("li", "", list);
  row.dataset.id = id;
  row.parts = make(row, id);
  return row;
}

function timelineRow(row, zone) {
  const time = element("time", "", row);
  const text = element("span", "", row);
  const show = ({ title, start }) => {
    time.textContent = start ? new Date(start).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", timeZone: zone }) : "";
    text.textContent = title;
  };
  return { show };
}

function taskRow(row, tick) {
  const label = element("label", "", row);
  const box = element("input", "", label);
  const text = element("span", "", label);
  Object.assign(box, { type: "checkbox", onchange: () => tick(box.checked) });
  const show = ({ title, done = false }) => {
    box.checked = done;
    text.textContent = ` ${title}`;
  };
  return { show };
}

function documentRow(row, editor) {
  const label = element("label", "", row);
  const text = element("span", "", label);
  const area = element("textarea", "", label);
  const mark = element("small", "", row);
  const part = joinTextArea(editor, area);
  editor.addEventListener("change", () => (mark.textContent = editor.isSaved ? "" : "not saved yet"));
  const end = () => {
    part();
    editor.close();
  };
  return { show: ({ title }) => (text.textContent = title), end };
}
