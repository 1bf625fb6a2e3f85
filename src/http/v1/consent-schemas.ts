/** What is said about consent over HTTP, and answered, each with examples. */
import { z } from "zod";
import { signedConsentReceipt } from "../../model/consent-receipt.ts";
import {
  ACTORS,
  consentRecord,
  countryCode,
  guardianStatement,
  statedLanguage,
  statedMethod,
  statedReference,
  statementAnswer,
  timestampMs,
} from "../../model/consent-record.ts";
import { CATEGORIES, PURPOSES } from "../../model/purposes.ts";
import { deviceId, EXAMPLE, guardianRef } from "../fields.ts";

const CONSENT_EXAMPLE = {
  policyVersion: 1,
  purposes: { weather: ["location"], scene: ["model", "status"] },
  method: "app",
  by: "subject",
  language: "en",
  jurisdiction: ["IN"],
  evidenceRef: "form:2f81",
};

export const consentBody = z
  .strictObject({
    state: z
      .enum(["given", "refused", "requested"])
      .default("given")
      .describe("`requested`: the notice was presented, or a child asks, and there is no answer yet."),
    policyVersion: z.number().int().min(1).max(100_000),
    purposes: z
      .partialRecord(z.enum(PURPOSES), z.array(z.enum(CATEGORIES)).min(1).max(CATEGORIES.length))
      .default({})
      .describe("Categories by purpose. Replaces what was given before, or is asked for; needed unless refused."),
    method: statedMethod.describe("How consent was asked for, as a code."),
    by: z.enum(ACTORS).describe("`authority` and `controller` can ask for consent, and neither give nor refuse it."),
    language: statedLanguage.describe("Language of the notice shown, BCP 47."),
    jurisdiction: z.array(countryCode).min(1).max(16),
    expiresAt: timestampMs
      .optional()
      .describe("Unix ms; absent: as long as the gateway is configured to let consent last."),
    minor: z
      .boolean()
      .optional()
      .describe(
        "Absent: as stated before. A minor comes of age only by a `requested` statement of `controller` or `authority` with `evidenceRef`.",
      ),
    guardian: guardianStatement.optional(),
    guardianRef,
    evidenceRef: statedReference
      .optional()
      .describe(
        "Opaque reference to evidence kept elsewhere. Never an id of a person or device, a name or an address.",
      ),
    devices: z
      .array(deviceId)
      .min(1)
      .max(256)
      .optional()
      .describe("Absent: all devices of the subject, later ones included."),
  })
  .refine((body) => (body.state !== "refused") === Object.keys(body.purposes).length > 0, { path: ["purposes"] })
  .refine((body) => body.state === "requested" || body.by === "subject" || body.by === "guardian", { path: ["by"] })
  .refine((body) => body.state !== "requested" || body.expiresAt === undefined, { path: ["expiresAt"] })
  .meta({ examples: [CONSENT_EXAMPLE, { ...CONSENT_EXAMPLE, state: "requested", minor: true }] });

export type ConsentBody = z.infer<typeof consentBody>;

const SCENE_TERMS = {
  id: "scene",
  basis: "consent",
  categories: ["status"],
  recipients: ["scene services"],
  retentionDays: 0,
  regions: ["IN"],
};

const NOTICE = {
  controller: "vendor",
  policyVersion: 1,
  policyHash: EXAMPLE.policyHash,
  noticeLanguage: "en",
  jurisdiction: ["IN"],
};

const RECORD_EXAMPLE = {
  schemaVersion: 2,
  subject: EXAMPLE.subject,
  controller: "vendor",
  fence: 0,
  epoch: 0,
  head: EXAMPLE.head,
  minor: false,
  holds: [],
  consent: {
    state: "given",
    recordId: "0d9f6f1e-7c1b-4b9e-9d53-3f6a4f0c2b11",
    at: 1_767_225_600_000,
    ...NOTICE,
    purposes: [SCENE_TERMS],
    expiresAt: 1_798_761_600_000,
    suspended: { version: 2, purposes: ["scene"] },
  },
  devices: [{ device: EXAMPLE.device }],
  events: [
    {
      schemaVersion: 2,
      recordId: "0d9f6f1e-7c1b-4b9e-9d53-3f6a4f0c2b11",
      at: 1_767_225_600_000,
      by: "subject",
      method: "app",
      fence: 0,
      prevHash: EXAMPLE.genesis,
      type: "given",
      ...NOTICE,
      purposes: [SCENE_TERMS],
      expiresAt: 1_798_761_600_000,
    },
  ],
};

export const recordAnswer = consentRecord
  .describe("State of today and the hash-chained events that led to it. Subject and devices appear under keyed hashes.")
  .meta({ examples: [RECORD_EXAMPLE] });

const { holds: _, devices: __, events: ___, ...SHORT } = RECORD_EXAMPLE;

export const statedAnswer = statementAnswer
  .describe(
    "What holds now for the devices it was about; the record is read with GET. `recorded` is false when the same was in force already: then nothing was recorded.",
  )
  .meta({ examples: [{ ...SHORT, recorded: true }] });

export const receiptAnswer = signedConsentReceipt
  .describe("The receipt and its signature; altered in any value it no longer verifies.")
  .meta({
    examples: [
      {
        receipt: {
          kind: "consent-receipt",
          receiptId: "5b0f9e52-4a3e-4c5e-9f0f-2d8f1f6f3c9a",
          issuedAt: 1_767_225_600_500,
          ...RECORD_EXAMPLE,
        },
        protected: "eyJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsifQ",
        signature: "q9p1cT0oPqfE6d0l7oC2mS8w3m7zI5n1b4k8y2r6u0v9x3t5s7a1d4f6g8h0j2l4z6x8c0v2b4n6m8Q0W2E4Rg",
      },
    ],
  });

export const ifMatch = z.looseObject({
  "if-match": z
    .string()
    .regex(/^"[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{22}"$/)
    .optional()
    .meta({
      description:
        "The ETag of the record that this was decided upon; when an event was added since, nothing is recorded.",
      examples: [`"${EXAMPLE.head}.${EXAMPLE.device}"`],
    }),
});
