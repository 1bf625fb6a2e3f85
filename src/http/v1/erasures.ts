/** Erasure: asked for, followed, and proved by a receipt that anyone with the public key can check. */
import { z } from "zod";
import { ACTORS, statedMethod, statedReference } from "../../model/consent-record.ts";
import { ERASURE_STATES, erasureStatus, receiptKeySet } from "../../model/erasure.ts";
import { requestErasure } from "../../operations/subject-acts.ts";
import { stated } from "../audited.ts";
import type { Scope } from "../contract.ts";
import { ERASURE_EXAMPLE, erasureAnswer, erasurePath } from "../erasure-answer.ts";
import { guardianRef, subjectPath } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";

const erasureBody = z
  .strictObject({
    by: z.enum(ACTORS).default("subject"),
    method: statedMethod.default("api"),
    guardianRef,
    evidenceRef: statedReference.optional().describe("Opaque reference to evidence kept elsewhere."),
  })
  .meta({ examples: [{}, { by: "guardian", guardianRef: "guardian:7f31", evidenceRef: "form:2f81" }] });

const OPEN_EXAMPLE = {
  id: ERASURE_EXAMPLE.id,
  state: "running" as const,
  step: "delete" as const,
  requestedAt: 1_767_225_600_000,
  waiting: { code: "SINK_UNAVAILABLE", since: 1_767_225_601_000 },
  services: [],
};

const MOST_LISTED = 1_000;

const erasuresQuery = z.strictObject({
  state: z
    .enum(ERASURE_STATES)
    .optional()
    .describe("`completed`: of those that have a receipt the ones whose services have not all answered."),
});

const openAnswer = z
  .strictObject({
    erasures: z.array(erasureStatus.omit({ receipt: true })).describe(`Oldest first, at most ${MOST_LISTED}.`),
    total: z.number().int().nonnegative().describe("How many there are of that state."),
  })
  .meta({ examples: [{ erasures: [OPEN_EXAMPLE], total: 1 }] });

const statusAnswer = erasureAnswer.describe(
  "How far the erasure is. The receipt is there once everything under the gateway's own control is done; a later one replaces it when services answer late.",
);

const KEY_EXAMPLE = {
  kid: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
  alg: "EdDSA" as const,
  pem: "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n",
  jwk: { kty: "OKP" as const, crv: "Ed25519" as const, x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
};

const keysAnswer = receiptKeySet.meta({ examples: [{ ...KEY_EXAMPLE, keys: [KEY_EXAMPLE] }] });

export function erasureRoutes(scope: Scope, ports: HttpPorts): void {
  scope.post(
    "/v1/subjects/:subject/erasures",
    {
      config: {
        audit: { act: "erasure-requested", detail: stated, unstoppable: true },
        problems: ["conflict", "not-drained", "unknown-subject", "guardian-mismatch", "guardian-not-on-file"],
      },
      schema: {
        operationId: "requestErasure",
        tags: ["erasure"],
        summary: "Erase everything held about a subject",
        description:
          "From the answer on nothing the subject consented to before is used any more; what is stored is deleted in the background, see `Location`. `not-drained` means that the erasure has begun and no new batch uses anything, but an earlier one may still be writing. Asking again, with nothing consented to in between, is safe and answers with the same erasure. Under a legal hold it waits. Consent given afterwards starts a new record, under another key.",
        params: subjectPath,
        body: erasureBody,
        response: {
          202: statusAnswer.meta({ examples: [{ ...ERASURE_EXAMPLE, state: "running", step: "drain", services: [] }] }),
        },
      },
    },
    async (request, reply) => {
      const requested = await requestErasure(ports, ports.lookup.subjectTag(request.params.subject), request.body);
      if (requested.refused !== undefined) return refuse(reply, requested.refused);
      const { status } = requested;
      return reply.code(202).header("location", `/v1/erasures/${status.id}`).send(status);
    },
  );

  scope.get(
    "/v1/erasures",
    {
      schema: {
        operationId: "listErasures",
        tags: ["erasure"],
        summary: "Erasures that are not at their end",
        description:
          "Without `state` all of them: those that run or are held, and those whose services are still reminded. `waiting` says what an erasure waits for, and since when. Names no person, and holds no receipts.",
        querystring: erasuresQuery,
        response: {
          200: openAnswer,
        },
      },
    },
    async (request, reply) => {
      const found = await ports.erasures.open(request.query.state);
      const erasures = found.slice(0, MOST_LISTED).map(({ receipt: _, ...status }) => status);
      return reply.code(200).send({ erasures, total: found.length });
    },
  );

  scope.get(
    "/v1/erasures/:id",
    {
      config: { problems: ["unknown-erasure"] },
      schema: {
        operationId: "getErasure",
        tags: ["erasure"],
        summary: "How far an erasure is, and its receipt",
        description: "Names no person: the answer may be shown to anyone who has the id.",
        params: erasurePath,
        response: {
          200: statusAnswer,
        },
      },
    },
    async (request, reply) => {
      const status = await ports.erasures.status(request.params.id);
      return status === undefined ? refuse(reply, "unknown-erasure") : reply.code(200).send(status);
    },
  );

  scope.get(
    "/v1/keys/receipt",
    {
      schema: {
        operationId: "getReceiptKey",
        tags: ["erasure"],
        summary: "The public keys that receipts are verified with",
        description:
          "Ed25519, as PEM and as JSON Web Key; `kid` is its thumbprint (RFC 7638), which a receipt names in `protected`. First the key of today; `keys` holds it again and after it those of before, with which older receipts are signed.",
        response: {
          200: keysAnswer,
        },
      },
    },
    async (_request, reply) => {
      const keys = await ports.receiptKeys.all();
      return reply.code(200).send({ ...keys[0], keys: [...keys] });
    },
  );
}
