// The WedSync client for browsers and Node.js: an ES module without dependencies. One client is one wedding over one socket.
//
//   import { Client } from "http://127.0.0.1:8080/client.js";
//   const client = new Client({ url: "http://127.0.0.1:8080", wedding: "w1", token: async () => ... });
//   client.addEventListener("status", () => show(client.status));
//   await client.connect();
//   const outcome = await client.update("tasks", "cake", { done: true }).outcome;
//
// Events: status, event, sync, presence, error, refused (an edit of this page), returned (what became of the edits that waited for a
// connection), unkept (the store takes no more: edits without an answer would not outlive the page).

import { Closings, STOP, WAIT, WIPE } from "./closing.js";
import { Editing } from "./editing.js";
import { HistoryMissing } from "./outbox.js";
import { onHint } from "./hints.js";
import { Keeper } from "./keeper.js";
import { paced } from "./paced.js";
import { Session } from "./session.js";

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 4000;
const STABLE_MS = 5000;
const FLOOD_WAIT_MS = 10_000;
/** Browsers do not show the server's pings: after this silence we ask, and after the second one the connection is given up. */
const SILENCE_MS = 45_000;
const PONG_MS = 10_000;
/** The same when something hints at another network: somebody looks at the page and waits. */
const HINTED_PONG_MS = 3000;
const CONNECT_MS = 15_000;
const JSON_TEXT = { protocol: [], encode: JSON.stringify, decode: JSON.parse };
/** Who is given a token that is soon old again is warned at once: both sides would chase each other at the speed of the network. */
const RENEWAL_PAUSE_MS = 5000;

export class Client extends Editing {
  /** When the token of the present socket ends, as the server says it. */
  tokenExpiresAt = "";
  #state = "offline";
  #reason = "";
  #syncedAt = null;
  #told = "";
  #socket = null;
  #running = null;
  #stopped = null;
  #isClosed = false;
  #closings = new Closings();
  #wake = () => {};
  #end = () => {};
  #timer = null;
  #isPaused = false;
  #keeper;
  #renewSoon = paced(() => this.#renew(), RENEWAL_PAUSE_MS);

  /** `token` is a text or a function that fetches one; `store` keeps unanswered edits (stores.js), `client` goes on as a known one; `codec` is a subprotocol. */
  constructor({ url, wedding, token, client = null, store = null, codec = JSON_TEXT, WebSocket = globalThis.WebSocket, ...options }) {
    super();
    Object.assign(this, { url: socketUrl(url), wedding, token, codec, WebSocket });
    const tell = (type) => (detail) => this.dispatchEvent(new CustomEvent(type, { detail }));
    const hooks = { changed: () => this.#changed(), soon: (ms) => setTimeout(() => this.#send(), ms) };
    hooks.overdue = (what) => this.#end(1006, `The server owes an answer: ${what}.`);
    for (const type of ["event", "sync", "presence", "error", "returned"]) hooks[type] = tell(type);
    this.session = new Session(hooks, options);
    this.#keeper = new Keeper(store, this.session.outbox, tell("unkept"));
    this.session.outbox.client ??= client;
  }

  /** {state, unsaved, unanswered, syncedAt, reason}; state is offline, connecting, syncing, live or behind. */
  get status() {
    const waiting = this.session.outbox.unanswered();
    const { isSynced, isBehind } = this.session;
    return {
      state: isSynced ? (isBehind ? "behind" : "live") : this.#state,
      unsaved: waiting.filter((pending) => !pending.isSaved).length,
      unanswered: waiting.length,
      syncedAt: this.#syncedAt,
      reason: this.#reason,
    };
  }

  /** Connect and stay connected; resolves at the first whole state, rejects when the server says not to come back. */
  connect() {
    this.#running ??= this.#stayConnected().finally(onHint((isOnline) => this.#lookAgain(isOnline)));
    return this.until(() => this.session.isSynced);
  }

  /** Resolve once a condition on this client holds; rejects when no more will come. */
  async until(condition) {
    while (!condition()) {
      if (this.#stopped || this.#isClosed) throw this.#stopped ?? new Error("The client is closed.");
      await new Promise((resolve) => this.addEventListener("changed", resolve, { once: true }));
    }
  }

  /** Disconnect for good; edits without an answer stay in the store, which is let go. */
  async close() {
    this.#isClosed = true;
    this.#wake();
    this.#end(1000);
    this.#changed();
    await this.#running;
    this.#keeper.close();
  }

  /** Drop the present socket, as a bad network would; the client comes back by itself. */
  disconnect() {
    this.#end(1000);
  }

  async #stayConnected() {
    let waits = 0;
    while (!this.#stopped && !this.#isClosed) {
      const began = performance.now();
      const { code, reason } = await this.#serveOneConnection();
      this.session.disconnected();
      const pause = this.#isClosed ? 0 : this.#after(code, reason);
      waits = performance.now() - began > STABLE_MS ? 0 : waits + 1;
      this.#changed();
      if (this.#stopped || this.#isClosed) break;
      // Full jitter: a thousand clients that lost the same gateway must not come back at the same moment.
      this.#isPaused = pause > 0;
      const longest = pause || Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** waits);
      await new Promise((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, pause + Math.random() * longest);
      });
    }
    this.#state = "offline";
    this.#changed();
  }

  /** Judge the end of a connection: how long to wait at least, or that we have stopped. */
  #after(code, reason) {
    const told = this.session.lastError;
    Object.assign(this, { closeCode: code });
    this.#enter("offline", reason || `The socket was closed with ${code}.`);
    const move = this.#closings.after(code, typeof this.token === "function");
    if (move === STOP || move === WIPE)
      this.#stopped = Object.assign(new Error(told ? `${told.message} ${told.remedy}` : this.#reason), { code: told?.code, closeCode: code });
    if (move === WIPE) {
      this.session.wipe();
      this.#keeper.now();
    }
    return move === WAIT ? FLOOD_WAIT_MS : 0;
  }

  /** Carry frames until the connection ends; resolves with {code, reason}. */
  async #serveOneConnection() {
    this.#enter("connecting");
    let token;
    try {
      token = typeof this.token === "function" ? await this.token() : this.token;
    } catch (error) {
      return { code: 1006, reason: `No token could be fetched: ${error}` };
    }
    return new Promise((resolve) => {
      const socket = (this.#socket = new this.WebSocket(this.url, this.codec.protocol));
      socket.binaryType = "arraybuffer";
      const end = (code, reason = "") => {
        if (this.#socket !== socket) return;
        this.#socket = null;
        this.#end = () => {};
        clearTimeout(this.#timer);
        // What still comes over a socket that is given up belongs to nobody.
        socket.onmessage = socket.onopen = null;
        socket.close(1000);
        resolve({ code, reason });
      };
      socket.onopen = () => {
        this.#write(this.session.hello(this.wedding, token));
        this.#enter("syncing");
        this.#listen();
      };
      socket.onmessage = ({ data }) => this.#take(data, end);
      socket.onerror = () => {};
      socket.onclose = ({ code }) => end(code);
      if (this.#isClosed) socket.onopen = () => end(1000);
      this.#end = end;
      this.#endAfter(CONNECT_MS, "No connection came about.");
    });
  }

  #take(data, end) {
    this.#listen();
    let frame;
    try {
      frame = this.codec.decode(data);
    } catch (error) {
      return end(1006, `The server sent what cannot be read: ${error.message}`);
    }
    try {
      this.session.take(frame);
    } catch (error) {
      if (!(error instanceof HistoryMissing)) throw error;
      // The next hello names no client, so the server gives a new id.
      this.session.outbox.client = null;
      end(1000, error.message);
      return;
    }
    this.#advise(frame, end);
    if (this.session.isSynced && !this.session.isBehind) {
      this.#syncedAt = Date.now();
      this.#reason = "";
    }
    this.#send();
    this.#keeper.soon();
    this.#changed();
  }

  /** What concerns the connection and not the wedding: a new token in time, and leaving when asked to. */
  #advise(frame, end) {
    const socket = this.#socket;
    this.tokenExpiresAt = frame.tokenExpiresAt ?? (frame.type === "token_refreshed" ? frame.expiresAt : this.tokenExpiresAt);
    if (frame.type === "goaway")
      setTimeout(() => socket === this.#socket && end(1012, "The gateway ends."), frame.reconnectAfterMs ?? Math.random() * frame.reconnectWithinMs);
    if (frame.type === "token_expiring" && typeof this.token === "function") this.#renewSoon();
  }

  async #renew() {
    const socket = this.#socket;
    try {
      const token = await this.token();
      if (socket === this.#socket && this.session.isSynced) this.#write({ type: "token_refresh", token });
    } catch {
      // The old one holds until it ends; then 4401 asks for a new one again.
    }
  }

  /** Ask for a sign of life after a silence, and give the connection up when none comes. */
  #listen() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(PONG_MS), SILENCE_MS);
    this.#timer.unref?.();
  }

  #ask(within) {
    this.#write({ type: "ping" });
    this.#endAfter(within, "Nothing was heard for a while.");
  }

  #endAfter(within, reason) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(1006, reason), within);
    this.#timer.unref?.();
  }

  /** The network may be another one, or time stood still: come back at once, or ask whether the connection holds. */
  #lookAgain(isOnline) {
    if (this.#socket?.readyState === 1) this.#ask(HINTED_PONG_MS);
    else if (isOnline && !this.#isPaused) this.#wake();
  }

  #write(frame) {
    this.#socket.send(this.codec.encode(frame));
  }

  submitted() {
    this.#keeper.thisTurn();
    this.#send();
    this.#changed();
  }

  #send() {
    if (!this.#socket || this.#socket.readyState !== 1) return;
    const frames = this.session.toSend();
    // A number is kept before it is used: after a crash the op must go under the same one.
    if (frames.some((frame) => frame.op)) this.#keeper.now();
    for (const frame of frames) this.#write(frame);
  }

  #enter(state, reason = this.#reason) {
    this.#state = state;
    this.#reason = reason;
    this.#changed();
  }

  #changed() {
    const { syncedAt, ...shown } = this.status;
    const told = JSON.stringify(shown);
    if (told !== this.#told) {
      this.#told = told;
      this.dispatchEvent(new CustomEvent("status", { detail: { ...shown, syncedAt } }));
    }
    this.dispatchEvent(new Event("changed"));
  }
}

/** The address of the socket for a server's base address. */
export function socketUrl(url) {
  const address = new URL(url);
  address.protocol = address.protocol.replace("http", "ws");
  if (!address.pathname.endsWith("/ws")) address.pathname = `${address.pathname.replace(/\/$/, "")}/ws`;
  return address.href;
}
