import { expect, it } from "vitest";
import { halfSipHash, type WordKey } from "./half-sip-hash.ts";

/** Bytes 0 to 7 as two words, little-endian; bytes 0 to 3 as a word. */
const KEY: WordKey = [0x03020100, 0x07060504];

it("is what the reference implementation gives for four bytes", () => {
  expect(halfSipHash(KEY, 0x03020100)).toBe(0x89466e2a);
});

it("changes half of its bits with any bit of the word or of the key", () => {
  const bits = (value: number) => [...value.toString(2)].filter((bit) => bit === "1").length;
  const all: number[] = [];
  for (let word = 0; word < 200; word += 1) {
    for (let bit = 0; bit < 32; bit += 1) {
      const flip = 1 << bit;
      const [k0, k1] = KEY;
      const whole = halfSipHash(KEY, word);
      all.push(bits((whole ^ halfSipHash(KEY, word ^ flip)) >>> 0));
      all.push(
        bits((whole ^ halfSipHash([k0 ^ flip, k1], word)) >>> 0),
        bits((whole ^ halfSipHash([k0, k1 ^ flip], word)) >>> 0),
      );
    }
  }
  const mean = all.reduce((sum, one) => sum + one, 0) / all.length;
  expect(Math.abs(mean - 16)).toBeLessThan(0.2);
  expect(Math.min(...all)).toBeGreaterThan(0);
});
