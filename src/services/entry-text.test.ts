/** An entry of the registry is good as it was written and for its own name alone, and a token for one service. */
import { describe, expect, it } from "vitest";
import { EntryText, type RegistryEntry } from "./entry-text.ts";

const text = new EntryText(Buffer.alloc(32, 1));
const token = text.newToken();
const ENTRY: RegistryEntry = {
  name: "scenes",
  purposes: ["scene"],
  former: ["network"],
  categories: ["status"],
  region: "IN-KA",
  relation: "processor",
  recipient: "scene services",
  contractRef: "dpa-1",
  maxConnections: 3,
  publishesPerSecond: 20,
  tokens: [{ number: 4, issuedAt: 1_000, mac: text.tokenMac("scenes", token) }],
  lastToken: 4,
  revision: 1_767_225_600_000,
};

describe("an entry", () => {
  it("is read back as it was written", () => {
    expect(text.read("scenes", text.write(ENTRY))).toEqual(ENTRY);
  });

  it("holds no token, and nothing that one could be made of", () => {
    const written = text.write(ENTRY);
    expect(written).not.toContain(token);
    expect(written).not.toContain(Buffer.from(token).toString("hex"));
  });

  it("with one character changed, anywhere, is none", () => {
    const written = text.write(ENTRY);
    for (let at = 0; at < written.length; at += 1) {
      const other = written[at] === "A" ? "B" : "A";
      // The last character of a MAC holds two bits that say nothing.
      if (at === 42 || at === 43) continue;
      expect(text.read("scenes", written.slice(0, at) + other + written.slice(at + 1)), `at ${at}`).toBeUndefined();
    }
  });

  it.each([
    ["under another name", "other", text.write(ENTRY)],
    ["written under another key", "scenes", new EntryText(Buffer.alloc(32, 2)).write(ENTRY)],
    ["that is empty", "scenes", ""],
    ["without a MAC", "scenes", JSON.stringify(ENTRY)],
    ["of a later format", "scenes", text.write({ ...ENTRY, added: true } as RegistryEntry)],
  ])("%s is none", (_what, name, stored) => {
    expect(text.read(name, stored)).toBeUndefined();
  });
});

describe("a token", () => {
  it("is known by its number", () => {
    const second = text.newToken();
    const both = {
      ...ENTRY,
      tokens: [...ENTRY.tokens, { number: 5, issuedAt: 2_000, mac: text.tokenMac("scenes", second) }],
    };
    expect([token, second].map((one) => text.tokenNumber(both, one))).toEqual([4, 5]);
  });

  it("is none of another service, even where its hash was copied there", () => {
    expect(text.tokenNumber({ ...ENTRY, name: "other" }, token)).toBeUndefined();
  });

  it.each(["", "short", `${token}x`, token.toUpperCase(), `${token.slice(1)}!`])("%j is none", (given) => {
    expect(text.tokenNumber(ENTRY, given)).toBeUndefined();
  });
});
