/** Legal holds on what is kept of a subject: proposed by one approver, confirmed by another. */
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { AuditDetail } from "../../model/audit.ts";
import { legalHold, opaqueReference, statedReference, timestampMs } from "../../model/consent-record.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { placeHold } from "../../operations/holds.ts";
import { approverOf } from "../access.ts";
import type { Scope } from "../contract.ts";
import { deviceId, done, EXAMPLE, subjectPath } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";

const REFERENCE = "Opaque reference to the order that is kept elsewhere.";
/** An older hold may have a reference that would not be accepted today; it must be possible to end it. */
const releasedReference = opaqueReference.describe(REFERENCE);
const holdBody = z
  .strictObject({
    reference: statedReference.describe(REFERENCE),
    until: timestampMs.describe("Unix ms. The hold ends by itself then."),
    scope: z
      .strictObject({ devices: z.array(deviceId).min(1).max(256) })
      .optional()
      .describe("Absent: everything kept of the subject."),
  })
  .meta({ examples: [{ reference: "court:2026-118", until: 1_798_761_600_000, scope: { devices: ["hub-42"] } }] });

const releaseQuery = z.strictObject({ reference: releasedReference });

const placeAnswer = z
  .strictObject({
    state: z
      .enum(["proposed", "standing"])
      .describe("`proposed`: without effect until a different approver asks for exactly the same."),
  })
  .meta({ examples: [{ state: "proposed" }] });

const listAnswer = z
  .strictObject({
    standing: z.array(legalHold).readonly(),
    proposed: z.array(legalHold.extend({ approver: z.string(), at: timestampMs })).readonly(),
  })
  .describe("Devices appear under keyed hashes.")
  .meta({
    examples: [
      {
        standing: [{ ref: "court:2026-118", until: 1_798_761_600_000, devices: [EXAMPLE.device] }],
        proposed: [{ ref: "court:2026-204", until: 1_798_761_600_000, approver: "legal", at: 1_767_225_600_000 }],
      },
    ],
  });

/** For a scope that only approvers may use. */
export function holdRoutes(scope: Scope, ports: HttpPorts): void {
  scope.get(
    "/v1/subjects/:subject/hold",
    {
      schema: {
        operationId: "listHolds",
        tags: ["legal holds"],
        summary: "The legal holds of a subject",
        description: "Those that stand, and those that wait for a second approver.",
        params: subjectPath,
        response: { 200: listAnswer },
      },
    },
    async (request, reply) =>
      reply.code(200).send(await ports.holds.list(ports.lookup.subjectTag(request.params.subject))),
  );

  scope.put(
    "/v1/subjects/:subject/hold",
    {
      config: {
        audit: { act: "hold-placed", detail: placed },
        problems: [
          "conflict",
          "not-drained",
          "unknown-subject",
          "device-not-bound",
          "hold-terms-differ",
          "hold-too-long",
        ],
      },
      schema: {
        operationId: "placeHold",
        tags: ["legal holds"],
        summary: "Propose or confirm a legal hold",
        description:
          "Takes two: the first approver proposes, and a different one asking for exactly the same confirms. From then on nothing the hold covers is deleted or used, even if consent is withdrawn or an erasure is requested; these take effect when the last hold has ended. A hold that stands is prolonged in the same way, under its reference.",
        params: subjectPath,
        body: holdBody,
        response: {
          200: placeAnswer,
          202: placeAnswer,
        },
      },
    },
    async (request, reply) => {
      const { reference: ref, until, scope: covered } = request.body;
      const tag = ports.lookup.subjectTag(request.params.subject);
      const devices = covered?.devices.map((device): DeviceKey => ports.lookup.deviceKey(device));
      const hold = devices === undefined ? { ref, until } : { ref, until, devices };
      const answer = await placeHold(ports, tag, hold, approverOf(request) ?? "");
      if (answer.refused !== undefined) return refuse(reply, answer.refused);
      return reply.code(answer.state === "proposed" ? 202 : 200).send({ state: answer.state });
    },
  );

  scope.delete(
    "/v1/subjects/:subject/hold",
    {
      config: {
        audit: { act: "hold-released", detail: released, unstoppable: true },
        problems: ["conflict", "hold-unknown"],
      },
      schema: {
        operationId: "releaseHold",
        tags: ["legal holds"],
        summary: "End a legal hold, or take back a proposal",
        description:
          "One approver is enough: it gives the subject their rights back. Withdrawals and erasures requested meanwhile take effect.",
        params: subjectPath,
        querystring: releaseQuery,
        response: { 204: done },
      },
    },
    async (request, reply) => {
      const tag = ports.lookup.subjectTag(request.params.subject);
      const { refused } = await ports.holds.release(tag, request.query.reference);
      if (refused !== undefined) return refuse(reply, refused);
      return reply.code(204).send(null);
    },
  );
}

function placed(request: FastifyRequest): AuditDetail {
  const { reference, until } = request.body as z.infer<typeof holdBody>;
  return { approver: approverOf(request) ?? "", reference, until };
}

/** A reference that would not be accepted today stays out of the audit log, whether there is such a hold or not. */
function released(request: FastifyRequest): AuditDetail {
  const { reference } = request.query as z.infer<typeof releaseQuery>;
  const shown = statedReference.safeParse(reference).success ? { reference } : {};
  return { approver: approverOf(request) ?? "", ...shown };
}
