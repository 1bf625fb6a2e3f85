import { createCipheriv, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatewayError } from "../model/errors.ts";
import { SCHEMA } from "../model/schema.ts";
import { Envelope, sealedSchema } from "./envelope.ts";

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

  describe("the number of the schema", () => {
    /** As versions of before the number have sealed. */
    const former = (text: string, purpose: string) => {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", oldKey, nonce);
      cipher.setAAD(Buffer.from(`consentry ${purpose} v1 q0001`));
      const bytes = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
      return { k: "q0001", s: bytes.toString("base64") };
    };

    it("is in what is sealed, and what has none opens as what it is", () => {
      expect(sealedSchema(before.seal("x", "batch"))).toBe(SCHEMA);
      expect(sealedSchema(former("x", "batch"))).toBe(1);
      expect(before.open(former("x", "batch"), "batch")).toBe("x");
    });

    it("can neither be taken off, nor put on, nor be one of a newer version", () => {
      const { k, s } = before.seal("x", "batch");
      expect(code(() => before.open({ k, s }, "batch"))).toBe("ENVELOPE_UNREADABLE");
      expect(code(() => before.open({ ...former("x", "batch"), v: SCHEMA }, "batch"))).toBe("ENVELOPE_UNREADABLE");
      expect(code(() => before.open({ k, s, v: SCHEMA + 1 }, "batch"))).toBe("ENVELOPE_UNREADABLE");
    });
  });
});
