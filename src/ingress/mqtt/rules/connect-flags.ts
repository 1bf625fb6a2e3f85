/** The flags of a CONNECT (3.1.2), and the fields behind them that they stand for. */

const RESERVED = 0x01;
export const WILL = 0x04;
const WILL_QOS = 0x18;
const WILL_RETAIN = 0x20;
export const PASSWORD = 0x40;
export const USER_NAME = 0x80;

/** The statement of MQTT 3.1.1 that was broken; MQTT 5 has the same under other numbers. */
export function flagsFault(flags: number): string | undefined {
  if ((flags & RESERVED) !== 0) return "MQTT-3.1.2-3";
  if ((flags & WILL_QOS) === WILL_QOS) return "MQTT-3.1.2-14";
  if ((flags & WILL) === 0 && (flags & WILL_QOS) !== 0) return "MQTT-3.1.2-13";
  return (flags & WILL) === 0 && (flags & WILL_RETAIN) !== 0 ? "MQTT-3.1.2-15" : undefined;
}

/** Where so many fields with a length before each of them end; `undefined` when they are cut off. */
export function endOfFields(body: Buffer, from: number | undefined, count: number): number | undefined {
  let at = from;
  for (let field = 0; field < count; field += 1) {
    if (at === undefined || at + 2 > body.length) return undefined;
    at += 2 + body.readUInt16BE(at);
  }
  return at === undefined || at > body.length ? undefined : at;
}
