// A MessagePack codec for the client in tests: the values of frames alone (docs/protocol.md), strings and containers in their 32-bit forms.

const text = { encoder: new TextEncoder(), decoder: new TextDecoder() };

function sized(kind, length) {
  const head = Buffer.alloc(5);
  head.writeUInt8(kind);
  head.writeUInt32BE(length, 1);
  return head;
}

function number(value) {
  const bytes = Buffer.alloc(9);
  bytes.writeUInt8(0xd3);
  bytes.writeBigInt64BE(BigInt(value), 1);
  return bytes;
}

function packed(value) {
  if (value === null) return Buffer.of(0xc0);
  if (typeof value === "boolean") return Buffer.of(value ? 0xc3 : 0xc2);
  if (typeof value === "number") return number(value);
  if (typeof value === "string") {
    const bytes = text.encoder.encode(value);
    return Buffer.concat([sized(0xdb, bytes.length), bytes]);
  }
  if (Array.isArray(value)) return Buffer.concat([sized(0xdd, value.length), ...value.map(packed)]);
  const members = Object.entries(value);
  return Buffer.concat([sized(0xdf, members.length), ...members.flat().map(packed)]);
}

function reader(bytes) {
  let place = 0;
  const take = (size) => bytes.subarray(place, (place += size));
  const string = (size) => text.decoder.decode(take(size));
  const array = (size) => Array.from({ length: size }, value);
  const map = (size) => Object.fromEntries(Array.from({ length: size }, () => [value(), value()]));
  const length = (size) => take(size).readUIntBE(0, size);
  const byKind = {
    0xc0: () => null, 0xc2: () => false, 0xc3: () => true,
    0xcc: () => length(1), 0xcd: () => length(2), 0xce: () => length(4), 0xcf: () => Number(take(8).readBigUInt64BE()),
    0xd0: () => take(1).readInt8(), 0xd1: () => take(2).readInt16BE(), 0xd2: () => take(4).readInt32BE(), 0xd3: () => Number(take(8).readBigInt64BE()),
    0xd9: () => string(length(1)), 0xda: () => string(length(2)), 0xdb: () => string(length(4)),
    0xdc: () => array(length(2)), 0xdd: () => array(length(4)), 0xde: () => map(length(2)), 0xdf: () => map(length(4)),
  };
  function value() {
    const kind = length(1);
    if (kind < 0x80) return kind;
    if (kind < 0x90) return map(kind & 0x0f);
    if (kind < 0xa0) return array(kind & 0x0f);
    if (kind < 0xc0) return string(kind & 0x1f);
    return kind >= 0xe0 ? kind - 256 : byKind[kind]();
  }
  return value;
}

export const MESSAGE_PACK = { protocol: "wedsync.v1.msgpack", encode: packed, decode: (data) => reader(Buffer.from(data))() };
