// What can be said to the server at all: it answers no op in a frame that it cannot read, and whatever is behind that op would wait for ever.

/** A larger op is refused here: its frame could end the connection. */
export const MAX_BYTES = 64 * 1024;
/** Nothing of a wedding lies nearly so deep, and many times deeper the server reads no frame. */
const MAX_DEPTH = 64;
/** With the flag `u` a whole pair is one character: these are halves alone. */
const HALVES = /\p{Surrogate}/gu;

const TOO_LARGE = { code: "too_large", message: `This is larger than ${MAX_BYTES} bytes.`, remedy: "Split it." };
const TOO_DEEP = { code: "bad_value", message: `This is nested deeper than ${MAX_DEPTH} levels.`, remedy: "Say it with fewer levels." };
const CUT_IN_TWO = {
  code: "bad_value",
  message: "A text holds half of a surrogate pair, as when an emoji was cut in two.",
  remedy: "Cut texts between code points: [...text].slice(0, 100).join(\"\").",
};

/** A copy of a value as JSON says it; throws for what JSON cannot say (a BigInt, a cycle), before anything is queued. */
export function plain(value) {
  return JSON.parse(JSON.stringify(value));
}

/** Why a plain value must not be sent, {code, message, remedy}; null when it may. */
export function refusalOf(value) {
  if (new TextEncoder().encode(JSON.stringify(value)).length > MAX_BYTES) return TOO_LARGE;
  return unreadable(value, 0);
}

/** A text of whole characters, as `TextEncoder` and forms write it: half a pair becomes U+FFFD. */
export function wellFormed(text) {
  return text.replace(HALVES, "\ufffd");
}

function unreadable(value, depth) {
  if (typeof value === "string") return value.search(HALVES) >= 0 ? CUT_IN_TWO : null;
  if (value === null || typeof value !== "object") return null;
  if (depth === MAX_DEPTH) return TOO_DEEP;
  for (const [name, each] of Object.entries(value)) {
    const why = unreadable(name, depth) ?? unreadable(each, depth + 1);
    if (why) return why;
  }
  return null;
}
