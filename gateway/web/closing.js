// What a client does after each close code: the table of docs/protocol.md, the same as gateway/client/closing.py.

export const COME_BACK = "comes back and resumes";
export const WAIT = "waits, then comes back";
export const NEW_TOKEN = "gets a new token and comes back";
export const DOUBT = "comes back, and stops when it is closed so three times in a row";
export const STOP = "stops";
export const WIPE = "drops what it holds and stops";

export const MOVES = {
  1000: COME_BACK,
  1001: COME_BACK,
  1002: DOUBT,
  1006: COME_BACK,
  1007: DOUBT,
  1009: COME_BACK,
  1011: COME_BACK,
  1012: COME_BACK,
  1013: COME_BACK,
  4400: STOP,
  4401: NEW_TOKEN,
  4403: STOP,
  4404: STOP,
  4406: STOP,
  4408: COME_BACK,
  4409: COME_BACK,
  4410: WIPE,
  4429: WAIT,
};

const REFUSALS_IN_A_ROW = 3;

/** Judges one close after the other; a single refusal proves little, a few in a row mean stop. */
export class Closings {
  #refusals = 0;

  after(code, renewsToken) {
    const move = MOVES[code] ?? COME_BACK;
    const isRefusal = move === DOUBT || (move === NEW_TOKEN && !renewsToken);
    this.#refusals = isRefusal ? this.#refusals + 1 : 0;
    return this.#refusals >= REFUSALS_IN_A_ROW ? STOP : move;
  }
}
