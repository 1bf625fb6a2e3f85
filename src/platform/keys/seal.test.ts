/** A sealed text opens unchanged with the same key for the same use, and in no other case. */
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Seal } from "./seal.ts";

const key = randomBytes(32);
const seal = new Seal(key, "test");
const claims = { who: "nobody", list: [1, 2], text: "Küchenlampe" };
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

describe("a sealed text", () => {
  it("opens to what was sealed, and is valid in a URL and a cookie", () => {
    const text = seal.seal(claims);
    expect(text).toMatch(/^1\.[A-Za-z0-9_-]+$/);
    expect(seal.open(text)).toEqual(claims);
    expect(new Seal(key, "test").open(text)).toEqual(claims);
  });

  it("reveals nothing, and is different every time", () => {
    const [one, two] = [seal.seal(claims), seal.seal(claims)];
    expect(one).not.toBe(two);
    expect(Buffer.from(one.slice(2), "base64url").toString("latin1")).not.toContain("nobody");
  });

  it("does not open after any change of any character", () => {
    const text = seal.seal(claims);
    for (let index = 0; index < text.length; index += 1) {
      const before = text.charAt(index);
      for (const other of index < 2 ? ["0", "2", "A"] : [nextTo(before), before === "A" ? "_" : "A"]) {
        const altered = `${text.slice(0, index)}${other}${text.slice(index + 1)}`;
        expect(seal.open(altered), `character ${index}`).toBeUndefined();
      }
    }
  });

  it("does not open when truncated, extended, padded or in another alphabet", () => {
    const text = seal.seal(claims);
    for (let length = 0; length < text.length; length += 1) expect(seal.open(text.slice(0, length))).toBeUndefined();
    for (const more of ["A", "=", "==", " ", "\n", ".", "%3D"]) expect(seal.open(text + more)).toBeUndefined();
    expect(seal.open(` ${text}`)).toBeUndefined();
    expect(seal.open(text.slice(2))).toBeUndefined();
  });

  it("does not open with another key or for another use", () => {
    const text = seal.seal(claims);
    expect(new Seal(randomBytes(32), "test").open(text)).toBeUndefined();
    expect(new Seal(key, "another").open(text)).toBeUndefined();
  });
});

function nextTo(character: string): string {
  return ALPHABET.charAt((ALPHABET.indexOf(character) + 1) % ALPHABET.length);
}
