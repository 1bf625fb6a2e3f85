/** The audit log, a page at a time. */
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { auditRecord } from "../../model/audit.ts";
import { contentHash } from "../../model/consent-record.ts";
import { AUDIT_EXAMPLE } from "../examples.ts";
import type { HttpPorts } from "../ports.ts";
import { COMMON_PROBLEMS, problemResponses } from "../problems.ts";

const MAX_PAGE = 500;
const index = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const auditQuery = z.strictObject({
  from: index
    .default(0)
    .meta({ description: "Index of the first line wanted; lines past their retention are skipped." }),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
});

const auditAnswer = z
  .strictObject({
    records: z.array(auditRecord).readonly(),
    first: index.describe("Index of the oldest line kept."),
    head: z
      .strictObject({ next: index, hash: contentHash })
      .describe("Note it down elsewhere: with it a later check proves that nothing up to here was taken away."),
  })
  .meta({ examples: [AUDIT_EXAMPLE] });

export function auditRoutes(scope: FastifyInstance, ports: HttpPorts): void {
  scope.withTypeProvider<ZodTypeProvider>().get(
    "/v1/audit",
    {
      schema: {
        operationId: "listAudit",
        tags: ["audit"],
        summary: "The audit log",
        description:
          "Every administrative act, oldest first: one line before it and one after it. Subjects and devices appear under keyed hashes. To read on, ask from the last index plus one.",
        querystring: auditQuery,
        response: { 200: auditAnswer, ...problemResponses(...COMMON_PROBLEMS) },
      },
    },
    async (request, reply) => reply.code(200).send(await ports.audit.list(request.query)),
  );
}
