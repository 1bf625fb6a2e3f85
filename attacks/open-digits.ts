/** What the digits of a row time were when they told the id of the message: FNV-1a of it, without a key. */
const DIGITS = 1_000_000;

export function openDigits(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) {
    hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % DIGITS;
}
