/**
 * Signs and verifies receipts: Ed25519 (RFC 8032) over the receipt's canonical JSON, as a flattened JSON Web Signature
 * with detached payload (RFC 7515, appendix F; RFC 8037).
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import type { z } from "zod";
import { type ConsentReceipt, type SignedConsentReceipt, signedConsentReceipt } from "../../model/consent-receipt.ts";
import { type Receipt, type ReceiptKey, type SignedReceipt, signedReceipt } from "../../model/erasure.ts";

const ERASURE = "consentry-erasure-receipt+json";
const CONSENT = "consentry-consent-receipt+json";
/** The PKCS#8 form of an Ed25519 key is this prefix plus its 32-byte seed (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

export class ReceiptSigner {
  readonly #key: KeyObject;
  readonly publicKey: ReceiptKey;

  /** `seed`: 32 bytes. */
  constructor(seed: Buffer) {
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" });
    this.publicKey = describe(createPublicKey(this.#key));
  }

  sign(receipt: Receipt): SignedReceipt {
    return { receipt, ...this.#signed(ERASURE, receipt) };
  }

  signConsent(receipt: ConsentReceipt): SignedConsentReceipt {
    return { receipt, ...this.#signed(CONSENT, receipt) };
  }

  #signed(typ: string, receipt: object): { protected: string; signature: string } {
    const header = { alg: "EdDSA", kid: this.publicKey.kid, typ };
    const protectedHeader = Buffer.from(JSON.stringify(header)).toString("base64url");
    const signature = sign(null, signingInput(protectedHeader, receipt), this.#key).toString("base64url");
    return { protected: protectedHeader, signature };
  }
}

export type Verification<T = Receipt> =
  | { readonly valid: true; readonly receipt: T; readonly kid: string }
  | { readonly valid: false; readonly reason: "not-a-receipt" | "another-key" | "altered" };

/**
 * Whether exactly this receipt was signed with the one of these public keys (PEM) that it names. Throws for an invalid
 * key.
 */
export function verifyReceipt(json: unknown, ...pems: readonly string[]): Verification {
  return verified(json, pems, ERASURE, signedReceipt);
}

/** The same for a consent receipt. */
export function verifyConsentReceipt(json: unknown, ...pems: readonly string[]): Verification<ConsentReceipt> {
  return verified(json, pems, CONSENT, signedConsentReceipt);
}

function verified<T extends object>(
  json: unknown,
  pems: readonly string[],
  typ: string,
  shape: z.ZodType<{ receipt: T; protected: string; signature: string }>,
): Verification<T> {
  const parsed = shape.safeParse(json);
  const header = parsed.success ? headerOf(parsed.data.protected, typ) : undefined;
  if (!parsed.success || header === undefined) return { valid: false, reason: "not-a-receipt" };
  const { kid } = header;
  const key = pems.map((pem) => createPublicKey(pem)).find((one) => describe(one).kid === kid);
  if (key === undefined) return { valid: false, reason: "another-key" };
  const signature = Buffer.from(parsed.data.signature, "base64url");
  const input = signingInput(parsed.data.protected, parsed.data.receipt);
  if (signature.toString("base64url") !== parsed.data.signature || !verify(null, input, key, signature)) {
    return { valid: false, reason: "altered" };
  }
  return { valid: true, receipt: parsed.data.receipt, kid };
}

/** The hash that the next receipt of the same erasure contains; base64url. */
export function receiptHash(receipt: Receipt): string {
  return createHash("sha256").update(canonical(receipt)).digest("base64url");
}

function signingInput(protectedHeader: string, receipt: object): Buffer {
  return Buffer.from(`${protectedHeader}.${Buffer.from(canonical(receipt)).toString("base64url")}`);
}

function headerOf(text: string, type: string): { readonly kid: string } | undefined {
  try {
    const header = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as Record<string, unknown>;
    const { alg, kid, typ } = header;
    return alg === "EdDSA" && typ === type && typeof kid === "string" && Object.keys(header).length === 3
      ? { kid }
      : undefined;
  } catch {
    return undefined;
  }
}

/** `x`: of its JSON Web Key. */
export function publicKeyFrom(x: string): ReceiptKey {
  return describe(createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }));
}

function describe(key: KeyObject): ReceiptKey {
  const x = String(key.export({ format: "jwk" }).x);
  // RFC 7638, section 3: members in lexicographic order.
  const thumbprint = createHash("sha256").update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest("base64url");
  return {
    kid: thumbprint,
    alg: "EdDSA",
    pem: String(key.export({ format: "pem", type: "spki" })),
    jwk: { kty: "OKP", crv: "Ed25519", x },
  };
}

/** JSON with sorted keys and without undefined members: equal receipts give equal text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}
