/** The consent record of a subject: what was stated, what holds now, and new statements. */
import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { CATEGORIES, PURPOSES } from "../../model/consent.ts";
import { signedConsentReceipt } from "../../model/consent-receipt.ts";
import {
  ACTORS,
  answerOf,
  consentRecord,
  countryCode,
  guardianStatement,
  statedLanguage,
  statedMethod,
  statedReference,
  statementAnswer,
  timestampMs,
} from "../../model/consent-record.ts";
import { stateConsent } from "../acts.ts";
import {
  CHILD_ASKS_EXAMPLE,
  CONSENT_EXAMPLE,
  CONSENT_RECEIPT_EXAMPLE,
  RECORD_EXAMPLE,
  STATEMENT_EXAMPLE,
} from "../examples.ts";
import { deviceId, guardianRef, subjectPath } from "../fields.ts";
import { idempotencyHeaders } from "../idempotency.ts";
import type { HttpPorts } from "../ports.ts";
import { CHANGE_PROBLEMS, COMMON_PROBLEMS, POST_PROBLEMS, problemResponses, refuse } from "../problems.ts";

const consentBody = z
  .strictObject({
    state: z
      .enum(["given", "refused", "requested"])
      .default("given")
      .describe("`requested`: the notice was presented, or a child asks, and nobody has answered yet."),
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
  .meta({ examples: [CONSENT_EXAMPLE, CHILD_ASKS_EXAMPLE] });

const recordAnswer = consentRecord
  .describe("State of today and the hash-chained events that led to it. Subject and devices appear under keyed hashes.")
  .meta({ examples: [RECORD_EXAMPLE] });

const statedAnswer = statementAnswer
  .describe(
    "What holds now for the devices it was about; the record is read with GET. `recorded` is false when the same was in force already: then nothing was written down.",
  )
  .meta({ examples: [STATEMENT_EXAMPLE] });

const receiptAnswer = signedConsentReceipt
  .describe("The receipt and its signature; altered in any value it no longer verifies.")
  .meta({ examples: [CONSENT_RECEIPT_EXAMPLE] });

export function consentRoutes(scope: FastifyInstance, ports: HttpPorts): void {
  const app = scope.withTypeProvider<ZodTypeProvider>();

  app.get(
    "/v1/subjects/:subject/consents",
    {
      schema: {
        operationId: "getConsents",
        tags: ["consent"],
        summary: "The consent record of a subject",
        description: "What holds now and every event that led to it, oldest first.",
        params: subjectPath,
        response: { 200: recordAnswer, ...problemResponses(...COMMON_PROBLEMS, "unknown-subject") },
      },
    },
    async (request, reply) => {
      const record = await ports.ledger.record(ports.lookup.subjectTag(request.params.subject));
      return record === undefined ? refuse(reply, "unknown-subject") : reply.code(200).send(record);
    },
  );

  app.get(
    "/v1/subjects/:subject/consents/receipt",
    {
      schema: {
        operationId: "getConsentReceipt",
        tags: ["consent"],
        summary: "The consent record as a signed receipt",
        description:
          "For the person to keep: the record of this moment with every event, signed with Ed25519 as a flattened JSON Web Signature with detached payload. `GET /v1/keys/receipt` gives the key; `npm run receipt -- verify <file>` checks it anywhere.",
        params: subjectPath,
        response: { 200: receiptAnswer, ...problemResponses(...COMMON_PROBLEMS, "unknown-subject") },
      },
    },
    async (request, reply) => {
      const record = await ports.ledger.record(ports.lookup.subjectTag(request.params.subject));
      if (record === undefined) return refuse(reply, "unknown-subject");
      const stamp = { kind: "consent-receipt", receiptId: randomUUID(), issuedAt: Date.now() } as const;
      return reply
        .code(200)
        .header("cache-control", "no-store")
        .send(ports.signer.signConsent({ ...stamp, ...record }));
    },
  );

  app.post(
    "/v1/subjects/:subject/consents",
    {
      schema: {
        operationId: "recordConsent",
        tags: ["consent"],
        summary: "Record that consent was given, refused or asked for",
        description:
          "What is given or refused replaces what was stated before for the same devices; what is `requested` allows nothing. The same again, in the same words, is not written down once more. Once answered, no batch under way uses more than the new statement allows.",
        params: subjectPath,
        body: consentBody,
        headers: idempotencyHeaders,
        response: {
          201: statedAnswer,
          ...problemResponses(
            ...CHANGE_PROBLEMS,
            ...POST_PROBLEMS,
            "device-not-bound",
            "policy-superseded",
            "record-full",
            "policy-version-unknown",
            "purpose-not-in-policy",
            "expiry-out-of-range",
            "guardian-mismatch",
            "guardian-not-on-file",
            "still-a-minor",
          ),
        },
      },
    },
    async (request, reply) => {
      const { state, devices, ...body } = request.body;
      const tag = ports.lookup.subjectTag(request.params.subject);
      const input = { ...body, devices: devices?.map((device) => ports.lookup.deviceKey(device)) };
      const stated = await stateConsent(ports, tag, { state, input });
      if (stated.refused !== undefined) return refuse(reply, stated.refused);
      return reply.code(201).send(answerOf(stated.record, stated.recorded, input.devices?.[0]));
    },
  );
}
