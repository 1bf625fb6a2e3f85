/** The audit log, a page at a time. */
import { z } from "zod";
import { auditRecord } from "../../model/audit.ts";
import { contentHash } from "../../model/consent-record.ts";
import type { Scope } from "../contract.ts";
import { EXAMPLE } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";

const MAX_PAGE = 500;
const index = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const auditQuery = z.strictObject({
  from: index
    .default(0)
    .meta({ description: "Index of the first line wanted; lines past their retention are skipped." }),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
});

const AUDIT_EXAMPLE = {
  records: [
    {
      index: 41,
      at: 1_767_225_600_000,
      act: "consent-withdrawn",
      by: "account-service",
      subject: EXAMPLE.subject,
      outcome: "asked",
      detail: { stated: "subject" },
      prev: EXAMPLE.genesis,
    },
    {
      index: 42,
      at: 1_767_225_600_120,
      act: "consent-withdrawn",
      by: "account-service",
      subject: EXAMPLE.subject,
      outcome: "done",
      of: 41,
      prev: EXAMPLE.head,
    },
  ],
  first: 0,
  head: { next: 43, hash: EXAMPLE.policyHash },
};

const auditAnswer = z
  .strictObject({
    records: z.array(auditRecord).readonly(),
    first: index.describe("Index of the oldest line kept."),
    head: z
      .strictObject({ next: index, hash: contentHash })
      .describe("Note it down elsewhere: with it a later check proves that nothing up to here was taken away."),
  })
  .meta({ examples: [AUDIT_EXAMPLE] });

export function auditRoutes(scope: Scope, ports: HttpPorts): void {
  scope.get(
    "/v1/audit",
    {
      schema: {
        operationId: "listAudit",
        tags: ["audit"],
        summary: "The audit log",
        description:
          "Every administrative act, oldest first: one line before it and one after it. Subjects and devices appear under keyed hashes. To read on, ask from the last index plus one.",
        querystring: auditQuery,
        response: { 200: auditAnswer },
      },
    },
    async (request, reply) => reply.code(200).send(await ports.audit.list(request.query)),
  );
}
