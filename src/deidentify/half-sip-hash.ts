/**
 * HalfSipHash-2-4 of one 32-bit word (J.-P. Aumasson, D. J. Bernstein, https://github.com/veorq/SipHash): a keyed function whose values
 * no one without the key can tell from drawn ones. It runs for every row, and HMAC or AES of a single word cost ten times as much.
 */

/** 64 bits. */
export type WordKey = readonly [number, number];

const COMPRESSIONS = 2;
const FINALISATIONS = 4;
/** Bytes of the word, in the top byte of the last block. */
const LENGTH_BLOCK = 4 << 24;

/** An unsigned 32-bit number. */
export function halfSipHash([k0, k1]: WordKey, word: number): number {
  let v0 = k0;
  let v1 = k1;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  for (let part = 0; part < 3; part += 1) {
    const block = part === 0 ? word : LENGTH_BLOCK;
    const last = part === 2;
    if (last) v2 ^= 0xff;
    else v3 ^= block;
    for (let round = last ? FINALISATIONS : COMPRESSIONS; round > 0; round -= 1) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    if (!last) v0 ^= block;
  }
  return (v1 ^ v3) >>> 0;
}
