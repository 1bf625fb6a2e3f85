/** Legal holds on what is kept of a subject: proposed by one approver, confirmed by another. */
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { legalHold, opaqueReference, statedReference, timestampMs } from "../../model/consent-record.ts";
import { DELETION_OF_ALL, deletionOf } from "../../model/erasure.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { approverOf } from "../access.ts";
import { settle } from "../await-fence.ts";
import { HOLD_EXAMPLE, HOLDS_EXAMPLE } from "../examples.ts";
import { deviceId, subjectPath } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { BODY_PROBLEMS, CHANGE_PROBLEMS, COMMON_PROBLEMS, problemResponses, refuse } from "../problems.ts";

const REFERENCE = "Opaque reference to the order that is kept elsewhere.";
/** One that stands may have been placed when more was accepted; it must be possible to end it. */
const placed = opaqueReference.describe(REFERENCE);
const holdBody = z
  .strictObject({
    reference: statedReference.describe(REFERENCE),
    until: timestampMs.describe("Unix ms. The hold ends by itself then."),
    scope: z
      .strictObject({ devices: z.array(deviceId).min(1).max(256) })
      .optional()
      .describe("Absent: everything kept of the subject."),
  })
  .meta({ examples: [HOLD_EXAMPLE] });

const placeAnswer = z
  .strictObject({
    state: z
      .enum(["proposed", "standing"])
      .describe("`proposed`: without effect until a different approver asks for exactly the same."),
  })
  .meta({ examples: [{ state: "proposed" }] });

const done = z.null().describe("Done; no body.");
const listAnswer = z
  .strictObject({
    standing: z.array(legalHold).readonly(),
    proposed: z.array(legalHold.extend({ approver: z.string(), at: timestampMs })).readonly(),
  })
  .describe("Devices appear under keyed hashes.")
  .meta({ examples: [HOLDS_EXAMPLE] });

/** For a scope that only approvers can enter. */
export function holdRoutes(scope: FastifyInstance, ports: HttpPorts): void {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const security = [{ approver: [] }];

  app.get(
    "/v1/subjects/:subject/hold",
    {
      schema: {
        operationId: "listHolds",
        tags: ["legal holds"],
        summary: "The legal holds of a subject",
        description: "Those that stand, and those that wait for a second approver.",
        security,
        params: subjectPath,
        response: { 200: listAnswer, ...problemResponses(...COMMON_PROBLEMS) },
      },
    },
    async (request, reply) =>
      reply.code(200).send(await ports.holds.list(ports.lookup.subjectTag(request.params.subject))),
  );

  app.put(
    "/v1/subjects/:subject/hold",
    {
      schema: {
        operationId: "placeHold",
        tags: ["legal holds"],
        summary: "Propose or confirm a legal hold",
        description:
          "Takes two: the first approver proposes, and a different one asking for exactly the same confirms. From then on nothing the hold covers is deleted or used, whatever is withdrawn or asked to be erased; that takes its course once the last hold has ended. A hold that stands is prolonged in the same way, under its reference.",
        security,
        params: subjectPath,
        body: holdBody,
        response: {
          200: placeAnswer,
          202: placeAnswer,
          ...problemResponses(
            ...CHANGE_PROBLEMS,
            ...BODY_PROBLEMS,
            "unknown-subject",
            "device-not-bound",
            "hold-terms-differ",
            "hold-too-long",
          ),
        },
      },
    },
    async (request, reply) => {
      const { reference: ref, until, scope: covered } = request.body;
      const tag = ports.lookup.subjectTag(request.params.subject);
      const devices = covered?.devices.map((device): DeviceKey => ports.lookup.deviceKey(device));
      const hold = devices === undefined ? { ref, until } : { ref, until, devices };
      const answer = await ports.holds.place(tag, hold, approverOf(request) ?? "");
      if (answer.refused !== undefined) return refuse(reply, answer.refused);
      if (answer.state === "proposed") return reply.code(202).send({ state: answer.state });
      const deletions = [deletionOf(tag), DELETION_OF_ALL].map((concerned) => ports.leases.drain(concerned));
      const ended = await Promise.all([settle(ports, tag, []), ...deletions]);
      return ended.every(({ drained }) => drained)
        ? reply.code(200).send({ state: answer.state })
        : refuse(reply, "not-drained");
    },
  );

  app.delete(
    "/v1/subjects/:subject/hold",
    {
      schema: {
        operationId: "releaseHold",
        tags: ["legal holds"],
        summary: "End a legal hold, or take back a proposal",
        description:
          "One approver is enough: it gives the subject their rights back. What was withdrawn or asked to be erased meanwhile takes its course.",
        security,
        params: subjectPath,
        querystring: z.strictObject({ reference: placed }),
        response: { 204: done, ...problemResponses(...COMMON_PROBLEMS, "conflict", "hold-unknown") },
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
