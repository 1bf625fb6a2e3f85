/**
 * The receipt for a consent: the whole record at one moment, signed, so that the person can hold against us
 * what we said we had. Names of devices and of the subject are keyed hashes, as in the record.
 */
import { z } from "zod";
import { consentRecord, timestampMs } from "./consent-record.ts";

export const consentReceipt = consentRecord.extend({
  kind: z.literal("consent-receipt"),
  receiptId: z.uuid(),
  issuedAt: timestampMs,
});
export type ConsentReceipt = z.infer<typeof consentReceipt>;

/** Flattened JSON Web Signature with detached payload: the canonical JSON of `receipt`. */
export const signedConsentReceipt = z.strictObject({
  receipt: consentReceipt,
  /** Base64url of `{"alg":"EdDSA","kid":…,"typ":"consentry-consent-receipt+json"}`. */
  protected: z.string(),
  /** Base64url, Ed25519 over `protected` + "." + base64url(payload). */
  signature: z.string(),
});
export type SignedConsentReceipt = z.infer<typeof signedConsentReceipt>;
