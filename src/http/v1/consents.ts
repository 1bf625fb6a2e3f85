/** The consent record of a subject: what was stated, what holds now, and new statements. */
import { randomUUID } from "node:crypto";
import { answerOf } from "../../model/consent-record.ts";
import { stateConsent } from "../../operations/subject-acts.ts";
import { stated } from "../audited.ts";
import type { Scope } from "../contract.ts";
import { subjectPath } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";
import { type ConsentBody, consentBody, receiptAnswer, recordAnswer, statedAnswer } from "./consent-schemas.ts";

export function consentRoutes(scope: Scope, ports: HttpPorts): void {
  scope.get(
    "/v1/subjects/:subject/consents",
    {
      config: { problems: ["unknown-subject"] },
      schema: {
        operationId: "getConsents",
        tags: ["consent"],
        summary: "The consent record of a subject",
        description: "What holds now and every event that led to it, oldest first.",
        params: subjectPath,
        response: { 200: recordAnswer },
      },
    },
    async (request, reply) => {
      const record = await ports.ledger.record(ports.lookup.subjectTag(request.params.subject));
      return record === undefined ? refuse(reply, "unknown-subject") : reply.code(200).send(record);
    },
  );

  scope.get(
    "/v1/subjects/:subject/consents/receipt",
    {
      config: { problems: ["unknown-subject"] },
      schema: {
        operationId: "getConsentReceipt",
        tags: ["consent"],
        summary: "The consent record as a signed receipt",
        description:
          "For the person to keep: the record of this moment with every event, signed with Ed25519 as a flattened JSON Web Signature with detached payload. `GET /v1/keys/receipt` gives the key; `npm run receipt -- verify <file>` checks it anywhere.",
        params: subjectPath,
        response: { 200: receiptAnswer },
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

  scope.post(
    "/v1/subjects/:subject/consents",
    {
      config: {
        audit: {
          act: ({ body }) => `consent-${(body as ConsentBody).state}`,
          detail: (request) => ({ ...stated(request), policyVersion: (request.body as ConsentBody).policyVersion }),
        },
        problems: [
          "conflict",
          "not-drained",
          "device-not-bound",
          "policy-superseded",
          "record-full",
          "policy-version-unknown",
          "purpose-not-in-policy",
          "expiry-out-of-range",
          "guardian-mismatch",
          "guardian-not-on-file",
          "still-a-minor",
        ],
      },
      schema: {
        operationId: "recordConsent",
        tags: ["consent"],
        summary: "Record that consent was given, refused or asked for",
        description:
          "What is given or refused replaces what was stated before for the same devices; what is `requested` allows nothing. The same again, in the same words, is not recorded once more. Once answered, no batch in progress uses more than the new statement allows.",
        params: subjectPath,
        body: consentBody,
        response: {
          201: statedAnswer,
        },
      },
    },
    async (request, reply) => {
      const { state, devices, ...body } = request.body;
      const tag = ports.lookup.subjectTag(request.params.subject);
      const input = { ...body, devices: devices?.map((device) => ports.lookup.deviceKey(device)) };
      const done = await stateConsent(ports, tag, { state, input });
      if (done.refused !== undefined) return refuse(reply, done.refused);
      return reply.code(201).send(answerOf(done.record, done.recorded, input.devices?.[0]));
    },
  );
}
