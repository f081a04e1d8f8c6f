// Drives gateway/web clients for tests/web: one JSON command per line in, one answer per line out, in the same order.

import { createInterface } from "node:readline";

import { MOVES } from "../../gateway/web/closing.js";
import { OP_TYPES } from "../../gateway/web/collections.js";
import { channelDigest } from "../../gateway/web/digest.js";
import { Client, socketUrl } from "../../gateway/web/client.js";
import { memoryStore } from "../../gateway/web/stores.js";
import { TextEditor } from "../../gateway/web/text_editor.js";
import { MESSAGE_PACK } from "./message_pack.mjs";

const clients = new Map();
const stores = new Map();
const shown = ({ name, message, code, closeCode }) => ({ name, message, code, closeCode });

function make({ name, tokens, kept, isFull, isPacked, ...options }) {
  const store = stores.get(kept) ?? memoryStore();
  if (isFull) store.save = () => { throw new Error("quota exceeded"); };
  if (kept) stores.set(kept, store);
  // Several tokens are fetched one after the other, the last one again and again.
  const token = tokens.length > 1 ? async () => (tokens.length > 1 ? tokens.shift() : tokens[0]) : tokens[0];
  if (isPacked) options.codec = MESSAGE_PACK;
  const client = new Client({ ...options, token, store });
  const notes = { events: [], syncs: [], states: [], reports: [], errors: [], presence: {} };
  client.addEventListener("event", ({ detail }) => notes.events.push([detail.channel, detail.sequence]));
  client.addEventListener("sync", ({ detail }) => notes.syncs.push([detail.channel, detail.reason, detail.isSnapshot]));
  client.addEventListener("status", ({ detail }) => notes.states.push(detail.state));
  client.addEventListener("returned", ({ detail }) => notes.reports.push(detail));
  client.addEventListener("error", ({ detail }) => notes.errors.push(detail.code));
  client.addEventListener("presence", ({ detail }) => (notes.presence = detail));
  clients.set(name, { client, notes, pending: client.session.outbox.unanswered() });
}

/** What no JSON can say, in every place where a program may say something. */
const unsayable = {
  number: (client) => client.insert("tasks", "number", { title: 1n }),
  cycle: (client) => {
    const data = {};
    client.insert("tasks", "cycle", Object.assign(data, { data }));
  },
  draft: (client) => client.draft("insert", "tasks", "draft", { title: 1n }),
  amended: (client) => client.amend(client.draft("insert", "tasks", "amended", { title: "" }), { data: { title: 1n } }),
  presence: (client) => client.showPresence({ cursor: 1n }),
  text: (client) => new TextEditor(client, "documents", "vows").edit([{ insert: "I", attributes: { size: 1n } }]),
};

const commands = {
  make: (options) => make(options),
  connect: ({ name }) => clients.get(name).client.connect(),
  close: ({ name }) => clients.get(name).client.close(),
  disconnect: ({ name }) => clients.get(name).client.disconnect(),
  edit: ({ name, action, collection, id, data, more }) => {
    const { client, pending } = clients.get(name);
    pending.push(client.edit(action, collection, id, data, more));
  },
  // The names of what is thrown, without an exception by exception.
  sayUnsayable: ({ name }) =>
    Object.values(unsayable).map((say) => {
      try {
        say(clients.get(name).client);
        return null;
      } catch (error) {
        return error.name;
      }
    }),
  presence: ({ name, presence }) => clients.get(name).client.showPresence(presence),
  // Ops that a closed page has left in its store under the next numbers, as one of a former release could.
  leave: ({ kept, ops }) => {
    const store = stores.get(kept);
    const { next, ...queue } = store.load();
    const left = ops.map((op, index) => ({ op, number: next + index, askedAt: 0, generation: null }));
    store.save({ ...queue, next: next + ops.length, ops: left });
  },
  // What became of every edit so far, also of those that the client found in its store.
  answered: ({ name }) => Promise.all(clients.get(name).pending.map((each) => each.outcome)),
  wait: async ({ name, channel, sequence = null }) => {
    const { client } = clients.get(name);
    await client.until(() => client.session.isSynced && (client.session.replica.sequences()[channel] ?? null) === sequence);
  },
  hear: ({ name, person }) => clients.get(name).client.until(() => clients.get(name).notes.presence[person] !== undefined),
  // Each look at the clock says an hour earlier than the one before.
  turnClockBack: () => {
    let now = Date.now();
    Date.now = () => (now -= 3_600_000);
  },
  state: async ({ name }) => {
    const { client, notes } = clients.get(name);
    const { channels } = client.session.replica;
    const digests = await Promise.all([...channels].map(async ([channel, copy]) => [channel, await channelDigest(copy.state)]));
    const { mismatches, user, role } = client.session;
    return {
      ...notes, mismatches, user, role,
      digests: Object.fromEntries(digests), sequences: client.session.replica.sequences(), view: client.view(), status: client.status,
      tokenExpiresAt: client.tokenExpiresAt,
    };
  },
  // Type letter by letter without waiting, then wait until all is confirmed and the text is as long as it shall be.
  // Types at the end: what others have typed before may be there already.
  type: async ({ name, id, letters, length }) => {
    const { client } = clients.get(name);
    const editor = new TextEditor(client, "documents", id);
    const end = [...editor.text].length;
    for (const [index, letter] of [...letters].entries()) editor.insert(end + index, letter);
    await client.until(() => editor.isSaved && [...editor.text].length === length);
    return editor.text;
  },
  // Make the text another one, and wait until that is confirmed.
  retype: async ({ name, id, text }) => {
    const { client } = clients.get(name);
    const editor = new TextEditor(client, "documents", id);
    editor.replace(text);
    await client.until(() => editor.isSaved);
    return { text: editor.text, refused: editor.refused };
  },
  // Type letter by letter, then paste, and leave it to the client when it is sent; `isLeft` closes the editor.
  write: ({ name, id, letters, pasted = "", isLeft = false }) => {
    const editor = new TextEditor(clients.get(name).client, "documents", id);
    for (const words of [...letters, pasted]) if (words) editor.insert([...editor.text].length, words);
    if (isLeft) editor.close();
  },
  vectors: ({ states }) => Promise.all(states.map((state) => channelDigest(state))),
  moves: () => MOVES,
  opTypes: () => OP_TYPES,
  urls: ({ urls }) => urls.map((url) => socketUrl(url)),
};

const lines = createInterface({ input: process.stdin });
for await (const line of lines) {
  const { command, ...options } = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await commands[command](options)) ?? null };
  } catch (error) {
    answer = { error: shown(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
