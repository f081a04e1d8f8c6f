// A page that shows one wedding live: status, who is here, timeline and tasks, which can be ticked and added.
//
// `/app#wedding=w1&token=...` enters at once. Texts of a wedding reach the page as text alone, never as markup.

import { Client } from "./client.js";
import { inOrder } from "./replica.js";
import { browserStore } from "./stores.js";

const find = (selector) => document.querySelector(selector);

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

function showStatus({ state, unsaved, syncedAt, reason }) {
  const since = syncedAt ? `, last in sync at ${new Date(syncedAt).toLocaleTimeString()}` : "";
  const waiting = unsaved ? `, ${unsaved} not saved yet` : "";
  find("#status").dataset.state = state;
  find("#status").textContent = state + waiting + (state === "live" ? "" : since + (reason ? `: ${reason}` : ""));
}

function showPresence(presence) {
  const people = Object.entries(presence).map(([user, { status = "online", section }]) => [user, section ? `${status}, ${section}` : status]);
  find("#people").replaceChildren();
  for (const [user, what] of people) element("span", `${user} (${what})`, find("#people"));
}

function showReport({ inConflict, refused }) {
  const lines = [
    ...inConflict.map(({ op }) => `Somebody else changed ${op.target.id} as well.`),
    ...refused.map(({ op, outcome }) => `${op.action} of ${op.target.id} was refused: ${outcome.message} ${outcome.remedy}`),
  ];
  find("#report").hidden = lines.length === 0;
  find("#report").textContent = lines.join(" ");
}

function showItems(client) {
  const view = client.view();
  const [wedding] = Object.values(view.wedding ?? {});
  const zone = wedding?.timeZone;
  find("#title").textContent = wedding ? `${wedding.title}, ${wedding.date}` : "WedSync";
  find("#timeline").replaceChildren();
  for (const [, { title, start }] of inOrder(view.timeline)) {
    const line = element("li", "", find("#timeline"));
    element("time", start ? new Date(start).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", timeZone: zone }) : "", line);
    line.append(title);
  }
  find("#tasks").replaceChildren();
  for (const [id, { title, done = false }] of inOrder(view.tasks)) {
    const label = element("label", "", element("li", "", find("#tasks")));
    const box = element("input", "", label);
    Object.assign(box, { type: "checkbox", checked: done, onchange: () => client.update("tasks", id, { done: box.checked }) });
    label.append(` ${title}`);
  }
}

async function enter(wedding, token) {
  const { sub } = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  const client = new Client({ url: location.origin, wedding, token, store: await browserStore(wedding, sub) });
  client.addEventListener("status", () => showStatus(client.status));
  client.addEventListener("changed", () => showItems(client));
  client.addEventListener("presence", ({ detail }) => showPresence(detail));
  client.addEventListener("returned", ({ detail }) => showReport(detail));
  find("#add").onsubmit = (submitted) => {
    submitted.preventDefault();
    client.insert("tasks", `task-${Date.now()}`, { title: submitted.target.elements.title.value, done: false });
    submitted.target.reset();
  };
  client.showPresence({ status: "online", section: "timeline" });
  await client.connect();
  find("#enter").hidden = true;
  find("main").hidden = false;
}

function tryToEnter(wedding, token) {
  enter(wedding, token).catch((error) => showStatus({ ...{ state: "offline", unsaved: 0 }, reason: error.message }));
}

find("#enter").onsubmit = (submitted) => {
  submitted.preventDefault();
  const { wedding, token } = submitted.target.elements;
  tryToEnter(wedding.value.trim(), token.value.trim());
};
const given = new URLSearchParams(location.hash.slice(1));
if (given.get("wedding") && given.get("token")) {
  // A token does not belong into the history of a browser.
  history.replaceState(null, "", location.pathname);
  tryToEnter(given.get("wedding"), given.get("token"));
}
