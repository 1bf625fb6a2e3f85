/** Policy versions: listed, read back byte for byte, published once. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { PolicyFloors } from "../../model/consent.ts";
import { contentHash, timestampMs } from "../../model/consent-record.ts";
import { CHANGE_KINDS, MAX_POLICY_BYTES, type PolicyDocument, policyDocument } from "../../model/policy-document.ts";
import { PURPOSES } from "../../model/purposes.ts";
import type { Scope } from "../contract.ts";
import { EXAMPLE } from "../fields.ts";
import { takeJson } from "../json-body.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";

const version = z.number().int().min(1).max(100_000);
const policyPath = z.strictObject({
  version: z
    .string()
    .regex(/^[1-9][0-9]{0,5}$/)
    .meta({ examples: ["1"] }),
});

const reconfirm = z
  .strictObject({ purposes: z.array(z.enum(PURPOSES)).readonly(), until: timestampMs })
  .describe("Purposes for which consent to earlier versions stops counting at `until`, unless it is given again.");
const count = z.number().int().nonnegative();
const floor = z.number().int().nonnegative().nullable();
const listAnswer = z
  .strictObject({
    policies: z.array(
      z.strictObject({
        version,
        hash: contentHash,
        change: z.enum(CHANGE_KINDS),
        effectiveFrom: z.string(),
        suspended: z
          .array(z.enum(PURPOSES))
          .readonly()
          .describe("Purposes for which consent to earlier versions stopped counting."),
        reconfirm: reconfirm.optional(),
      }),
    ),
    floors: z
      .strictObject({ analytics: floor, weather: floor, scene: floor, network: floor })
      .describe("Lowest version under which consent to a purpose still counts; null: none does."),
    devicesSuspended: z
      .strictObject({ analytics: count, weather: count, scene: count, network: count })
      .describe(
        "Devices whose consent to a purpose does not count until a newer version is agreed to. Counted when a version is published and at each turn of the upkeep.",
      ),
  })
  .meta({
    examples: [
      {
        policies: [
          { version: 1, hash: EXAMPLE.policyHash, change: "first", effectiveFrom: "2022-06-17", suspended: [] },
        ],
        floors: { analytics: 1, weather: 1, scene: 1, network: 1 },
        devicesSuspended: { analytics: 0, weather: 0, scene: 0, network: 0 },
      },
    ],
  });

const POLICY_EXAMPLE = {
  schemaVersion: 1,
  version: 2,
  effectiveFrom: "2026-01-01",
  language: "en",
  title: "Smart-home telemetry",
  source: {
    title: "Privacy Policy",
    updated: "2026-01-01",
    file: "2.txt",
    sha256: "0c3e1b6f5a9d4872e1f0b3c6d9a8e7f4051627384950a1b2c3d4e5f60718293a",
  },
  change: { kind: "material", summary: "States are kept for two years.", affects: ["analytics"] },
  purposes: {
    analytics: {
      description: "Processed device states are stored to improve the products.",
      basis: "consent",
      categories: ["model", "status"],
      recipients: ["controller"],
      retentionDays: 730,
      regions: ["IN"],
    },
  },
  statements: [{ clause: "5", says: "Data is kept no longer than the days stated for the purpose." }],
};

const document = policyDocument.meta({ examples: [POLICY_EXAMPLE] });

const publishAnswer = z
  .strictObject({
    version,
    hash: contentHash,
    suspended: z.array(z.enum(PURPOSES)).readonly(),
    reconfirm: reconfirm.optional(),
  })
  .describe("`suspended`: purposes for which consent to earlier versions no longer counts.")
  .meta({ examples: [{ version: 2, hash: EXAMPLE.policyHash, suspended: ["analytics"] }] });

/** Bodies as they were sent: these bytes are hashed and archived, not what parsing makes of them. */
const bytesOf = new WeakMap<FastifyRequest, Buffer>();

export function policyRoutes(scope: Scope, ports: HttpPorts): void {
  takeJson(scope, (request, body) => bytesOf.set(request, body));
  scope.get(
    "/v1/policies",
    {
      schema: {
        operationId: "listPolicies",
        tags: ["policies"],
        summary: "All policy versions",
        description:
          "Oldest first, with the content hash of each, the floors that hold now, and how many devices they suspend.",
        response: { 200: listAnswer },
      },
    },
    async (_request, reply) => {
      const { policies } = ports;
      const [versions, floors, devicesSuspended] = await Promise.all([
        policies.list(),
        policies.floors(),
        ports.suspensions.counts(),
      ]);
      return reply.code(200).send({ policies: [...versions], floors: finite(floors), devicesSuspended });
    },
  );

  scope.get(
    "/v1/policies/:version",
    {
      config: { problems: ["unknown-policy", "precondition-failed"] },
      schema: {
        operationId: "getPolicy",
        tags: ["policies"],
        summary: "One policy version, byte for byte",
        description:
          "Exactly the bytes that were published; the ETag is their SHA-256 in base64url. With `If-None-Match` it is not sent again (304).",
        params: policyPath,
        response: {
          200: document,
        },
      },
    },
    async (request, reply) => {
      const policy = await ports.policies.get(Number(request.params.version));
      if (policy === undefined) return refuse(reply, "unknown-policy");
      return sendDocument(reply, policy);
    },
  );

  scope.post(
    "/v1/policies",
    {
      bodyLimit: MAX_POLICY_BYTES,
      config: {
        audit: { act: "policy-published", detail: ({ body }) => ({ version: (body as PolicyDocument).version }) },
        problems: [
          "conflict",
          "policy-invalid",
          "policy-version-taken",
          "policy-version-gap",
          "policy-change-understated",
        ],
      },
      schema: {
        operationId: "publishPolicy",
        tags: ["policies"],
        summary: "Publish the next policy version",
        description:
          "Versions are immutable; publishing the same bytes again changes nothing. A version that widens purposes, categories, recipients, regions, retention or the commands of scene services, or changes the legal basis, must be called material; one that names another `contact` must not be called minor. From a material version on, consent to earlier ones no longer counts for the purposes it affects; `reconfirm` gives people until the end of the day `confirmBy` (UTC) to consent again.",
        body: document,
        response: {
          201: publishAnswer,
        },
      },
    },
    async (request, reply) => {
      const result = await ports.publishPolicy(bytesOf.get(request) ?? Buffer.alloc(0));
      if (result.refused !== undefined) return refuse(reply, result.refused);
      return reply.code(201).header("location", `/v1/policies/${result.version}`).send(result);
    },
  );
}

/** As bytes: the serializer would write the document again, and its hash would differ. */
function sendDocument(reply: FastifyReply, policy: { readonly text: string; readonly hash: string }): FastifyReply {
  reply.type("application/json; charset=utf-8").header("etag", `"${policy.hash}"`);
  return reply.code(200).send(Buffer.from(policy.text));
}

/** JSON has no infinity; a floor that nothing reaches is shown as null. */
function finite(floors: PolicyFloors): Record<keyof PolicyFloors, number | null> {
  const shown = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    analytics: shown(floors.analytics),
    weather: shown(floors.weather),
    scene: shown(floors.scene),
    network: shown(floors.network),
  };
}
