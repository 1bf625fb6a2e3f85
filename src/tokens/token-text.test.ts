/** What is stored of a named token: nothing that opens anything, and nothing that another program could have made. */
import { expect, test } from "vitest";
import { type TokenEntry, TokenText } from "./token-text.ts";

const text = new TokenText(Buffer.alloc(32, 1));
const other = new TokenText(Buffer.alloc(32, 2));

function entry(more: Partial<TokenEntry> = {}): TokenEntry {
  const issued = [{ number: 1, issuedAt: 5, digest: text.digest("t") }];
  return { name: "billing", scopes: ["read"], issued, last: 1, ...more };
}

test("an entry is read as it was written, by its own name alone", () => {
  expect(text.read("billing", text.write(entry()))).toEqual(entry());
  expect(text.read("another", text.write(entry()))).toBeUndefined();
});

test("an entry that was altered, or written under another key, is none", () => {
  const stored = text.write(entry());
  expect(text.read("billing", stored.replace('"read"', '"erase"'))).toBeUndefined();
  expect(text.read("billing", stored.slice(1))).toBeUndefined();
  expect(text.read("billing", "")).toBeUndefined();
  expect(other.read("billing", stored)).toBeUndefined();
});

test("the token is not in it, and its digest is another one under another key", () => {
  const token = text.newToken();
  expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  const issued = [{ number: 1, issuedAt: 5, digest: text.digest(token) }];
  expect(text.write(entry({ issued }))).not.toContain(token);
  expect(other.digest(token)).not.toBe(text.digest(token));
});

test.each([
  ["without a scope", { scopes: [] }],
  ["with a scope that does not exist", { scopes: ["all"] }],
  ["without a token", { issued: [] }],
  ["with three tokens", { issued: [1, 2, 3].map((number) => ({ number, issuedAt: 5, digest: text.digest("t") })) }],
])("an entry %s is none", (_what, more) => {
  expect(text.read("billing", text.write(entry(more as Partial<TokenEntry>)))).toBeUndefined();
});
