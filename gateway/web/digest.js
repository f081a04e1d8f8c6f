// The digest of a channel (docs/protocol.md, Digests): RFC 8785 JSON and SHA-256, the same as actors/contract/digest.py.
//
// `crypto.subtle` exists on https and on localhost alone; elsewhere `canHash` is false and a client goes on without comparing.

/** Whether digests can be computed here. */
export const canHash = Boolean(globalThis.crypto?.subtle);

/** RFC 8785 of a JSON value: JSON.stringify writes strings and numbers as it demands, members are sorted by UTF-16 units. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.keys(value).sort();
    return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/** The texts that are hashed for a state {collection: {id: fields}}; taken at once, so that the state may change meanwhile. */
export function textsOf(state) {
  return Object.entries(state).flatMap(([collection, items]) =>
    Object.entries(items).map(([id, fields]) => canonical([collection, id, fields])),
  );
}

/** The digest of such texts, 16 lower-case hex digits. */
export async function digestOf(texts) {
  const encoder = new TextEncoder();
  const hashes = await Promise.all(texts.map((text) => crypto.subtle.digest("SHA-256", encoder.encode(text))));
  const total = hashes.reduce((sum, hash) => sum + new DataView(hash).getBigUint64(0), 0n);
  return BigInt.asUintN(64, total).toString(16).padStart(16, "0");
}

/** The digest of a channel's state. */
export async function channelDigest(state) {
  return digestOf(textsOf(state));
}
