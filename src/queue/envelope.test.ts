import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatewayError } from "../model/errors.ts";
import { Envelope } from "./envelope.ts";

const oldKey = randomBytes(32);
const newKey = randomBytes(32);
const before = new Envelope({ active: "q0001", all: new Map([["q0001", oldKey]]) });
const rotated = new Envelope({
  active: "q0002",
  all: new Map([
    ["q0001", oldKey],
    ["q0002", newKey],
  ]),
});

function code(open: () => unknown): string {
  try {
    open();
  } catch (error) {
    return error instanceof GatewayError ? error.code : "other";
  }
  return "opened";
}

describe("Envelope", () => {
  it("opens what it sealed, for any text", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
        (text) => {
          expect(before.open(before.seal(text, "batch"), "batch")).toBe(text);
        },
      ),
    );
  });

  it("never reveals the text and never seals the same way twice", () => {
    const one = before.seal("203.0.113.77 secret place", "batch");
    expect(Buffer.from(one.s, "base64").includes("203.0.113.77")).toBe(false);
    expect(before.seal("203.0.113.77 secret place", "batch").s).not.toBe(one.s);
  });

  it("opens what an older key sealed until that key is removed", () => {
    const sealed = before.seal("text", "batch");
    expect(rotated.open(sealed, "batch")).toBe("text");
    expect(rotated.seal("text", "batch").k).toBe("q0002");
    const destroyed = new Envelope({ active: "q0002", all: new Map([["q0002", newKey]]) });
    expect(code(() => destroyed.open(sealed, "batch"))).toBe("ENVELOPE_UNREADABLE");
  });

  it("rejects any changed byte, a truncated text, another key id and another purpose", () => {
    const sealed = before.seal("text that matters", "batch");
    const bytes = Buffer.from(sealed.s, "base64");
    for (let index = 0; index < bytes.length; index += 1) {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(code(() => before.open({ ...sealed, s: changed.toString("base64") }, "batch"))).toBe(
        "ENVELOPE_UNREADABLE",
      );
    }
    expect(code(() => before.open({ ...sealed, s: bytes.subarray(0, 20).toString("base64") }, "batch"))).toBe(
      "ENVELOPE_UNREADABLE",
    );
    expect(code(() => rotated.open({ ...sealed, k: "q0002" }, "batch"))).toBe("ENVELOPE_UNREADABLE");
    expect(code(() => before.open(sealed, "other"))).toBe("ENVELOPE_UNREADABLE");
  });
});
