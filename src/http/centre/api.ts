/** What a person does in the privacy centre, each act through the same functions as the account service's. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { standingsOf } from "../../consent/ledger/standing.ts";
import { deviceNumber } from "../../model/centre.ts";
import { contentHash } from "../../model/consent-record.ts";
import { CATEGORIES, PURPOSES } from "../../model/purposes.ts";
import { requestErasure, stateConsent, withdrawConsent } from "../../operations/subject-acts.ts";
import type { Scope } from "../contract.ts";
import { erasureAnswer, erasurePath } from "../erasure-answer.ts";
import type { HttpPorts } from "../ports.ts";
import { type ProblemCode, refuse } from "../problems.ts";
import { devicesOf, type Entered, enter, enterOpen } from "./entered.ts";
import { authorityOf, verificationOf } from "./guardian.ts";
import { OVERVIEW_EXAMPLE, overviewAnswer, overviewOf } from "./overview.ts";
import { withMore } from "./record.ts";

/** Stands in the ledger as the way in which something was stated. */
const METHOD = "privacy-centre";

const ACT_PROBLEMS = ["not-from-the-page", "session-closed", "device-not-bound", "conflict", "not-drained"] as const;

const device = deviceNumber.optional().describe("Absent: all devices, later ones included.");
const agreeBody = z
  .strictObject({
    purposes: z
      .partialRecord(z.enum(PURPOSES), z.array(z.enum(CATEGORIES)).min(1).max(CATEGORIES.length))
      .refine((purposes) => Object.keys(purposes).length > 0)
      .describe("On top of what is used now."),
    device,
    head: contentHash.describe("As in the overview this was decided upon."),
  })
  .meta({ examples: [{ purposes: { weather: ["location"] }, head: OVERVIEW_EXAMPLE.head }] });
const withdrawBody = z
  .strictObject({
    purposes: z.array(z.enum(PURPOSES)).min(1).max(PURPOSES.length).optional().describe("Absent: every purpose."),
    categories: z.array(z.enum(CATEGORIES)).min(1).max(CATEGORIES.length).optional().describe("Absent: every one."),
    device,
  })
  .meta({ examples: [{}, { purposes: ["weather"], categories: ["location"] }] });
const eraseBody = z.strictObject({}).meta({ examples: [{}] });

export function centreApi(scope: Scope, ports: HttpPorts): void {
  const tags = ["privacy centre"];

  scope.get(
    "/centre/api/overview",
    {
      schema: {
        operationId: "centreOverview",
        tags,
        summary: "Everything the page shows at first sight",
        description: "What holds, for which devices, for what, and what became of an erasure.",
        response: { 200: overviewAnswer },
      },
    },
    async (request, reply) => {
      const entered = await enter(ports, request);
      if ("refused" in entered) return refuse(reply, entered.refused);
      return reply.code(200).send(await overviewOf(ports, entered.session, entered.person));
    },
  );

  scope.post(
    "/centre/api/consents",
    {
      config: {
        audit: { act: "consent-given" },
        problems: [
          ...ACT_PROBLEMS,
          "guardian-needed",
          "changed-meanwhile",
          "policy-superseded",
          "record-full",
          "purpose-not-in-policy",
        ],
      },
      schema: {
        operationId: "centreAgree",
        tags,
        summary: "Agree to more",
        description:
          "Records consent to the newest policy: to what is used now, and to what is named here. What a newer policy suspended is not taken along unless it is named.",
        body: agreeBody,
        response: {
          201: overviewAnswer,
        },
      },
    },
    async (request, reply) => {
      const entered = await enterOpen(ports, request);
      if ("refused" in entered) return refuse(reply, entered.refused);
      const refused = await agree(ports, entered, request.body);
      return refused === undefined ? answer(ports, request, reply, 201) : refuse(reply, refused);
    },
  );

  scope.post(
    "/centre/api/withdrawals",
    {
      config: { audit: { act: "consent-withdrawn", unstoppable: true }, problems: [...ACT_PROBLEMS] },
      schema: {
        operationId: "centreWithdraw",
        tags,
        summary: "Take consent back, all of it or a part",
        description: "Answered only once nothing that was withdrawn can be written or passed on any more.",
        body: withdrawBody,
        response: { 200: overviewAnswer },
      },
    },
    async (request, reply) => {
      const entered = await enterOpen(ports, request);
      if ("refused" in entered) return refuse(reply, entered.refused);
      const { session, person } = entered;
      const { device: number, purposes, categories } = request.body;
      const devices = devicesOf(person, number);
      if (devices === "unknown") return refuse(reply, "device-not-bound");
      const input = { purposes, categories, devices, method: METHOD, ...authorityOf(person.record, session) };
      const withdrawn = await withdrawConsent(ports, session.tag, input);
      return withdrawn.refused === undefined ? answer(ports, request, reply, 200) : refuse(reply, withdrawn.refused);
    },
  );

  scope.post(
    "/centre/api/erasures",
    {
      config: { audit: { act: "erasure-requested", unstoppable: true }, problems: [...ACT_PROBLEMS] },
      schema: {
        operationId: "centreErase",
        tags,
        summary: "Have everything erased",
        description: "Nothing else can be done in this session afterwards; it shows how far the erasure is.",
        body: eraseBody,
        response: { 202: overviewAnswer },
      },
    },
    async (request, reply) => {
      const entered = await enterOpen(ports, request);
      if ("refused" in entered) return refuse(reply, entered.refused);
      const { session, person } = entered;
      const act = { method: METHOD, ...authorityOf(person.record, session) };
      const requested = await requestErasure(ports, session.tag, act);
      return requested.refused === undefined ? answer(ports, request, reply, 202) : refuse(reply, requested.refused);
    },
  );

  scope.get(
    "/centre/api/erasures/:id",
    {
      config: { problems: ["unknown-erasure"] },
      schema: {
        operationId: "centreErasure",
        tags,
        summary: "How far an erasure of one's own is",
        description: "With the receipt, once there is one.",
        params: erasurePath,
        response: {
          200: erasureAnswer,
        },
      },
    },
    async (request, reply) => {
      const entered = await enter(ports, request);
      if ("refused" in entered) return refuse(reply, entered.refused);
      const { events } = entered.person.record;
      const own = events.some((one) => one.type === "erasure-requested" && one.erasure === request.params.id);
      const status = own ? await ports.erasures.status(request.params.id) : undefined;
      return status === undefined ? refuse(reply, "unknown-erasure") : reply.code(200).send(status);
    },
  );
}

async function agree(
  ports: HttpPorts,
  { session, person }: Entered,
  asked: z.infer<typeof agreeBody>,
): Promise<ProblemCode | undefined> {
  const { record, policy, floors, minor } = person;
  if (minor && session.by !== "guardian") return "guardian-needed";
  if (minor && asked.purposes.analytics !== undefined) return "purpose-not-in-policy";
  const devices = devicesOf(person, asked.device);
  if (devices === "unknown") return "device-not-bound";
  const own = record.devices.find((one) => one.device === devices?.[0])?.consent;
  const standing = standingsOf(record, { floors, now: Date.now(), minor })(own ?? record.consent);
  const { version, language, purposes: offers } = policy.document;
  const stated = await stateConsent(ports, session.tag, {
    state: "given",
    input: {
      policyVersion: version,
      purposes: withMore(standing, asked.purposes, offers),
      method: METHOD,
      ...authorityOf(record, session),
      guardian: verificationOf(record, session),
      ...(minor && { minor }),
      // Of the terms that were shown.
      language,
      jurisdiction: session.jurisdiction,
      devices,
      basedOn: asked.head,
    },
  });
  return stated.refused;
}

/** Every act is answered with how things stand now. */
async function answer(
  ports: HttpPorts,
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
): Promise<FastifyReply> {
  const entered = await enter(ports, request);
  if ("refused" in entered) return refuse(reply, entered.refused);
  return reply.code(status).send(await overviewOf(ports, entered.session, entered.person));
}
