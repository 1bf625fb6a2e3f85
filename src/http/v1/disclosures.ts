/** The account of disclosures: whom data of a subject was given to, and the same of all subjects together. */
import { z } from "zod";
import { type DayRange, dayOf } from "../../model/disclosure.ts";
import { DAY_MS } from "../../model/durations.ts";
import { SERVICE_PURPOSES } from "../../model/purposes.ts";
import type { Scope } from "../contract.ts";
import { subjectPath } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";

const MAX_RANGE_DAYS = 366;
const DEFAULT_RANGE_DAYS = 30;

const day = z.iso.date();
const disclosure = z.strictObject({
  recipient: z.string().describe("Name of the configured service."),
  purpose: z.enum(SERVICE_PURPOSES),
  day: day.describe("UTC."),
  count: z
    .number()
    .int()
    .nonnegative()
    .describe("At least so many messages: of the seconds before a crash some may be missing. The line never is."),
  region: z.string().describe("Where the service was run on that day, as configured."),
  contract: z.string().optional().describe("Code of the contract with it, if there was one."),
});
const disclosures = z.array(disclosure).readonly();

const EXAMPLE = {
  recipient: "scenes",
  purpose: "scene" as const,
  day: "2026-03-07",
  count: 1_204,
  region: "IN",
  contract: "dpa:2026-03",
};

const subjectAnswer = z.strictObject({ disclosures }).meta({ examples: [{ disclosures: [EXAMPLE] }] });
const totalsAnswer = z
  .strictObject({ from: day, to: day, disclosures })
  .meta({ examples: [{ from: "2026-02-05", to: "2026-03-07", disclosures: [{ ...EXAMPLE, count: 8_120_433 }] }] });

const range = z
  .strictObject({
    from: day.optional().meta({ description: `First day, UTC; by default ${DEFAULT_RANGE_DAYS} days before \`to\`.` }),
    to: day.optional().meta({ description: "Last day, UTC; by default today." }),
  })
  .transform(({ from, to = dayOf(Date.now()) }): DayRange => {
    return { from: from ?? dayOf(Date.parse(to) - DEFAULT_RANGE_DAYS * DAY_MS), to };
  })
  .refine(({ from, to }) => from <= to, { path: ["from"] })
  .refine(({ from, to }) => Date.parse(to) - Date.parse(from) < MAX_RANGE_DAYS * DAY_MS, { path: ["from"] });

export function disclosureRoutes(scope: Scope, ports: HttpPorts): void {
  scope.get(
    "/v1/subjects/:subject/disclosures",
    {
      config: { problems: ["unknown-subject"] },
      schema: {
        operationId: "getDisclosures",
        tags: ["disclosures"],
        summary: "Whom data of a subject was given to",
        description:
          "A line for each recipient, purpose and day, oldest first. A line is on record before the first message goes to that recipient on that day. Lines are kept for `retention.disclosureDays`; an erasure deletes them.",
        params: subjectPath,
        response: { 200: subjectAnswer },
      },
    },
    async (request, reply) => {
      const tag = ports.lookup.subjectTag(request.params.subject);
      if ((await ports.ledger.record(tag)) === undefined) return refuse(reply, "unknown-subject");
      return reply.code(200).send({ disclosures: await ports.disclosures.of(tag) });
    },
  );

  scope.get(
    "/v1/disclosures",
    {
      schema: {
        operationId: "listDisclosures",
        tags: ["disclosures"],
        summary: "What went to each recipient",
        description: `Of all subjects together, for each recipient, purpose and day, oldest first; it names no subject. At most ${MAX_RANGE_DAYS} days at once.`,
        querystring: range,
        response: { 200: totalsAnswer },
      },
    },
    async (request, reply) => {
      const { from, to } = request.query;
      return reply.code(200).send({ from, to, disclosures: await ports.disclosures.totals({ from, to }) });
    },
  );
}
