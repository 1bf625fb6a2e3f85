import { createPublicKey, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ConsentReceipt, consentReceipt } from "../../model/consent-receipt.ts";
import type { Receipt, SignedReceipt } from "../../model/erasure.ts";
import { publicKeyFrom, ReceiptSigner, receiptHash, verifyConsentReceipt, verifyReceipt } from "./signer.ts";

const signer = new ReceiptSigner(Buffer.alloc(32, 7));
const stranger = new ReceiptSigner(Buffer.alloc(32, 8));
const RECEIPT: Receipt = {
  schemaVersion: 1,
  id: "0d9f6f1e-7c1b-4b9e-9d53-3f6a4f0c2b11",
  controller: "vendor",
  requestedAt: 1_767_225_600_000,
  completedAt: 1_767_225_605_000,
  sinks: [{ name: "influx", region: "IN", rowsDeleted: 17, verified: true, method: "deleted" }],
  services: [{ purpose: "scene", notified: 1, acknowledged: 1, unacknowledged: 0 }],
  keyDestroyed: true,
  policyVersion: 1,
  ledgerHead: "Qw8rTzUi2oPaSdFg5hJkLyXcVbNm1qWe4RtZu7IoPlK",
};
const { pem } = signer.publicKey;

describe("a signed receipt", () => {
  const signed = signer.sign(RECEIPT);

  test("verifies with its key in any JSON formatting", () => {
    expect(verifyReceipt(signed, pem)).toEqual({ valid: true, receipt: RECEIPT, kid: signer.publicKey.kid });
    const shuffled = { ...Object.fromEntries(Object.entries(RECEIPT).reverse()) } as Receipt;
    const text = JSON.stringify(
      { signature: signed.signature, receipt: shuffled, protected: signed.protected },
      null,
      4,
    );
    expect(verifyReceipt(JSON.parse(text), pem).valid).toBe(true);
  });

  test("is a JSON Web Signature that a standard verifier accepts", () => {
    const key = createPublicKey({ key: { ...signer.publicKey.jwk }, format: "jwk" });
    const canonical = JSON.stringify(sorted(RECEIPT));
    const input = Buffer.from(`${signed.protected}.${Buffer.from(canonical).toString("base64url")}`);
    expect(verify(null, input, key, Buffer.from(signed.signature, "base64url"))).toBe(true);
  });

  test("does not verify with another key", () => {
    expect(verifyReceipt(signed, stranger.publicKey.pem)).toEqual({ valid: false, reason: "another-key" });
    expect(verifyReceipt(signed, stranger.publicKey.pem, pem).valid).toBe(true);
    const renamed = { ...stranger.sign(RECEIPT), protected: signed.protected };
    expect(verifyReceipt(renamed, pem)).toEqual({ valid: false, reason: "altered" });
  });

  test("does not verify after any single change of a value", () => {
    const changes: Partial<Receipt>[] = [
      { id: "1d9f6f1e-7c1b-4b9e-9d53-3f6a4f0c2b11" },
      { controller: "Vendor" },
      { completedAt: RECEIPT.completedAt + 1 },
      { sinks: [] },
      { sinks: [{ ...RECEIPT.sinks[0], rowsDeleted: 18 } as Receipt["sinks"][number]] },
      { services: [] },
      { keyDestroyed: false },
      { policyVersion: 2 },
      { prev: RECEIPT.ledgerHead },
    ];
    for (const change of changes) {
      const result = verifyReceipt({ ...signed, receipt: { ...RECEIPT, ...change } }, pem);
      expect(result, JSON.stringify(change)).toEqual({ valid: false, reason: "altered" });
    }
    expect(verifyReceipt({ ...signed, receipt: { ...RECEIPT, note: "also erased: everything" } }, pem).valid).toBe(
      false,
    );
  });

  test("does not verify after any edit of its text that changes its content", () => {
    const text = JSON.stringify(signed);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom("0", "1", "A", "b", "_", "}", " "), (at, insert) => {
        const edited = text.slice(0, at) + insert + text.slice(at + 1);
        let json: unknown;
        try {
          json = JSON.parse(edited);
        } catch {
          return;
        }
        if (JSON.stringify(json) === text) return;
        expect(verifyReceipt(json, pem).valid).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });
});

test.each([null, 1, "x", [], {}, { receipt: RECEIPT }, { ...signer.sign(RECEIPT), protected: "" }])(
  "%j is no receipt",
  (json) => {
    expect(verifyReceipt(json, pem)).toEqual({ valid: false, reason: "not-a-receipt" });
  },
);

test("a header with another algorithm is rejected before any computation", () => {
  const forged = Buffer.from(
    JSON.stringify({ alg: "none", kid: signer.publicKey.kid, typ: "consentry-erasure-receipt+json" }),
  );
  const signed: SignedReceipt = { ...signer.sign(RECEIPT), protected: forged.toString("base64url") };
  expect(verifyReceipt(signed, pem)).toEqual({ valid: false, reason: "not-a-receipt" });
});

test("a public key can be rebuilt from its coordinate alone", () => {
  expect(publicKeyFrom(signer.publicKey.jwk.x)).toEqual(signer.publicKey);
});

test("two receipts of one erasure have different hashes", () => {
  expect(receiptHash(RECEIPT)).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(receiptHash({ ...RECEIPT, completedAt: 1 })).not.toBe(receiptHash(RECEIPT));
});

describe("the receipt for a consent", () => {
  const hash = RECEIPT.ledgerHead;
  const receipt = consentReceipt.parse({
    kind: "consent-receipt",
    receiptId: RECEIPT.id,
    issuedAt: 1_767_225_600_500,
    schemaVersion: 2,
    subject: "Zk3vT9qLm2Xc7bNfR1wYsA",
    controller: "vendor",
    fence: 0,
    epoch: 0,
    head: hash,
    minor: false,
    holds: [],
    devices: [{ device: "b7Q1xUe0cJ4kVh9tLz2MrS" }],
    events: [
      {
        schemaVersion: 2,
        recordId: RECEIPT.id,
        at: 1_767_225_600_000,
        by: "controller",
        fence: 0,
        prevHash: hash,
        type: "bound",
        device: "b7Q1xUe0cJ4kVh9tLz2MrS",
      },
    ],
  });
  const signed = signer.signConsent(receipt);

  test("verifies as a consent receipt, not as an erasure receipt", () => {
    const text = JSON.stringify(signed);
    expect(verifyConsentReceipt(JSON.parse(text), pem)).toEqual({ valid: true, receipt, kid: signer.publicKey.kid });
    expect(verifyReceipt(signed, pem)).toEqual({ valid: false, reason: "not-a-receipt" });
    expect(verifyConsentReceipt(signer.sign(RECEIPT), pem)).toEqual({ valid: false, reason: "not-a-receipt" });
  });

  test("does not verify after any single change of a value, nor with another key", () => {
    const changes: Partial<ConsentReceipt>[] = [
      { issuedAt: 1 },
      { epoch: 1 },
      { minor: true },
      { events: [] },
      { guardian: { status: "verified", verificationMethod: "id-check", tokenRef: "guardian:1", at: 1 } },
      { holds: [{ ref: "court:1", until: 1 }] },
    ];
    for (const change of changes) {
      const forged = { ...signed, receipt: { ...receipt, ...change } };
      expect(verifyConsentReceipt(forged, pem)).toEqual({ valid: false, reason: "altered" });
    }
    expect(verifyConsentReceipt(signed, stranger.publicKey.pem)).toEqual({ valid: false, reason: "another-key" });
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}
