// The page /app: one wedding live, with tasks that can be ticked and added, and documents that several people write at once.
//
// `/app#wedding=w1&token=...` enters at once. What is shown and how is app_view.js.

import { clear, find, showConflict, showItems, showPresence, showRefused, showStatus, tell } from "./app_view.js";
import { Client } from "./client.js";
import { sendLeftBehind } from "./left_behind.js";
import { browserStore } from "./stores.js";

/** Kept as long as the tab, so that a reload enters again; closed tabs keep edits and no token. */
const ENTERED = "wedsync entered";
const LOOK_FOR_LEFT_MS = 2000;
let present = null;

// Where a browser forbids pages to keep anything, merely naming a storage throws: then a reload asks again.
function keepEntered(entered) {
  try {
    sessionStorage.setItem(ENTERED, JSON.stringify(entered));
  } catch {}
}

function keptEntered() {
  try {
    return JSON.parse(sessionStorage.getItem(ENTERED));
  } catch {
    return null;
  }
}

/** The person that a token names. */
function personOf(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub;
  } catch {
    throw new Error("That is no token; `wedsync token` makes one.");
  }
}

function act(edit) {
  try {
    edit();
  } catch (error) {
    tell(error.message);
  }
}

function listen(client) {
  let isDrawing = false;
  const draw = () => {
    isDrawing = false;
    // The close of a client is a change, too: its rows would come back after they were cleared.
    if (present === client) showItems(client, act);
  };
  const told = new WeakSet();
  const refused = (each) => {
    // What a text editor sends again is not refused for the person.
    if (told.has(each.op) || each.outcome.code === "base_too_old") return;
    told.add(each.op);
    showRefused(client, each);
  };
  const returned = (report) => {
    for (const each of report.inConflict) showConflict(client, each);
    for (const each of report.refused) refused(each);
  };
  client.addEventListener("status", () => showStatus(client.status));
  client.addEventListener("presence", () => showPresence(client));
  client.addEventListener("refused", ({ detail }) => refused(detail));
  client.addEventListener("returned", ({ detail }) => returned(detail));
  client.addEventListener("unkept", () => tell("This browser keeps no more edits: leave the page open until everything is saved."));
  client.addEventListener("changed", () => {
    if (!isDrawing) setTimeout(draw);
    isDrawing = true;
  });
  return returned;
}

function adder(form, collection, fields, client) {
  form.onsubmit = (submitted) => {
    submitted.preventDefault();
    const id = `${collection}-${Array.from(crypto.getRandomValues(new Uint32Array(3)), (part) => part.toString(36)).join("")}`;
    act(() => client.insert(collection, id, { title: form.elements.title.value, ...fields }));
    form.reset();
  };
}

async function enter(wedding, token) {
  const user = personOf(token);
  const former = present;
  present = null;
  await former?.close();
  clear();
  const server = { url: location.origin, wedding, token };
  const store = await browserStore(wedding, user);
  const client = (present = new Client({ ...server, store }));
  const returned = listen(client);
  adder(find("#add"), "tasks", { done: false }, client);
  adder(find("#write"), "documents", { text: "" }, client);
  window.onbeforeunload = (leaving) => {
    if (!store.isLasting && client.status.unsaved) leaving.preventDefault();
  };
  client.showPresence({ status: "online", section: "timeline" });
  await client.connect();
  keepEntered({ wedding, token });
  show("main");
  sendWheneverLive(client, { ...server, user }, returned);
  await client.until(() => present !== client);
}

/** Send what closed tabs left, now and as long as we are here: one may be closed at any time. */
function sendWheneverLive(client, options, returned) {
  const look = () => {
    if (present !== client) clearInterval(timer);
    // What could not be sent is kept, and tried again.
    else if (client.status.state === "live") sendLeftBehind(options, returned).catch(() => {});
  };
  const timer = setInterval(look, LOOK_FOR_LEFT_MS);
  look();
}

/** Show the form or the wedding. */
function show(part) {
  find("#enter").hidden = part !== "#enter";
  find("main").hidden = part !== "main";
}

/** Enter, and stay until the server says not to come back: then nothing of the wedding is left to see. */
function tryToEnter({ wedding, token }) {
  enter(wedding.trim(), token.trim()).catch((error) => {
    keepEntered(null);
    show("#enter");
    showStatus({ state: "offline", unsaved: 0, reason: error.message });
  });
}

find("#enter").onsubmit = (submitted) => {
  submitted.preventDefault();
  tryToEnter(Object.fromEntries(new FormData(submitted.target)));
};
const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
// A token does not belong into the history of a browser.
if (given.token) history.replaceState(null, "", location.pathname);
const known = given.wedding && given.token ? given : keptEntered();
if (known) tryToEnter(known);
