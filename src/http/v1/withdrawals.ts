/** Taking consent back: as easy as giving it, and answered only when it is true. */
import { z } from "zod";
import { ACTORS, statedMethod, statedReference } from "../../model/consent-record.ts";
import { CATEGORIES, PURPOSES } from "../../model/purposes.ts";
import { withdrawConsent } from "../../operations/subject-acts.ts";
import { stated } from "../audited.ts";
import type { Scope } from "../contract.ts";
import { deviceId, guardianRef, subjectPath } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";

const withdrawalBody = z
  .strictObject({
    purposes: z.array(z.enum(PURPOSES)).min(1).max(PURPOSES.length).optional().describe("Absent: every purpose."),
    categories: z
      .array(z.enum(CATEGORIES))
      .min(1)
      .max(CATEGORIES.length)
      .optional()
      .describe("Absent: every category."),
    devices: z.array(deviceId).min(1).max(256).optional().describe("Absent: every device of the subject."),
    by: z.enum(ACTORS).default("subject"),
    method: statedMethod.default("api"),
    guardianRef,
    evidenceRef: statedReference.optional().describe("Opaque reference to evidence kept elsewhere."),
  })
  .meta({ examples: [{}, { purposes: ["weather"] }, { categories: ["location"] }] });

const withdrawalAnswer = z
  .strictObject({
    drained: z.literal(true).describe("No batch that began before the withdrawal can write any more."),
    waitedMs: z.number().int().nonnegative(),
    fence: z.number().int().nonnegative().describe("Grows with every withdrawal that is recorded."),
  })
  .meta({ examples: [{ drained: true, waitedMs: 12, fence: 3 }] });

export function withdrawalRoutes(scope: Scope, ports: HttpPorts): void {
  scope.post(
    "/v1/subjects/:subject/withdrawals",
    {
      config: {
        audit: { act: "consent-withdrawn", detail: stated, unstoppable: true },
        problems: [
          "conflict",
          "not-drained",
          "unknown-subject",
          "device-not-bound",
          "guardian-mismatch",
          "guardian-not-on-file",
        ],
      },
      schema: {
        operationId: "withdrawConsent",
        tags: ["consent"],
        summary: "Withdraw consent, all of it or in part",
        description:
          "Answered with 200 only once every batch that read the consent before has ended: after that nothing withdrawn is stored or forwarded. `not-drained` means that it is recorded and no new batch uses it, but an earlier one may still be writing; asking again is safe.",
        params: subjectPath,
        body: withdrawalBody,
        response: {
          200: withdrawalAnswer,
        },
      },
    },
    async (request, reply) => {
      const { devices, ...body } = request.body;
      const input = { ...body, devices: devices?.map((device) => ports.lookup.deviceKey(device)) };
      const withdrawn = await withdrawConsent(ports, ports.lookup.subjectTag(request.params.subject), input);
      if (withdrawn.refused !== undefined) return refuse(reply, withdrawn.refused);
      const { waitedMs, fence } = withdrawn;
      return reply.code(200).send({ drained: true, waitedMs, fence });
    },
  );
}
