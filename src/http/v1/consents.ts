/** The consent record of a subject: what was stated, what holds now, and new statements. */
import { createHash, randomUUID } from "node:crypto";
import { answerOf, type ConsentRecord } from "../../model/consent-record.ts";
import { stateConsent } from "../../operations/subject-acts.ts";
import { stated } from "../audited.ts";
import type { Scope } from "../contract.ts";
import { subjectPath } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";
import {
  type ConsentBody,
  consentBody,
  ifMatch,
  receiptAnswer,
  recordAnswer,
  statedAnswer,
} from "./consent-schemas.ts";

export function consentRoutes(scope: Scope, ports: HttpPorts): void {
  scope.get(
    "/v1/subjects/:subject/consents",
    {
      config: { problems: ["unknown-subject"] },
      schema: {
        operationId: "getConsents",
        tags: ["consent"],
        summary: "The consent record of a subject",
        description:
          "What holds now and every event that led to it, oldest first. A statement can ask with `If-Match` and the ETag that nothing was added since.",
        params: subjectPath,
        response: { 200: recordAnswer },
      },
    },
    async (request, reply) => {
      const record = await ports.ledger.record(ports.lookup.subjectTag(request.params.subject));
      if (record === undefined) return refuse(reply, "unknown-subject");
      return reply.code(200).header("etag", etagOf(record)).send(record);
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
          "precondition-failed",
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
        headers: ifMatch,
        body: consentBody,
        response: {
          201: statedAnswer,
        },
      },
    },
    async (request, reply) => {
      const { state, devices, ...body } = request.body;
      const tag = ports.lookup.subjectTag(request.params.subject);
      const basedOn = headOf(request.headers["if-match"]);
      const input = { ...body, basedOn, devices: devices?.map((device) => ports.lookup.deviceKey(device)) };
      const done = await stateConsent(ports, tag, { state, input });
      if (done.refused === "changed-meanwhile") return refuse(reply, "precondition-failed");
      if (done.refused !== undefined) return refuse(reply, done.refused);
      return reply.code(201).send(answerOf(done.record, done.recorded, input.devices?.[0]));
    },
  );
}

/** The last event, and a hash of all that is shown: what holds changes with the policy and with time, too. */
function etagOf(record: ConsentRecord): string {
  const shown = createHash("sha256").update(JSON.stringify(record)).digest("base64url").slice(0, 22);
  return `"${record.head}.${shown}"`;
}

function headOf(match: string | undefined): string | undefined {
  return match?.slice(1).split(".")[0];
}
