/** Devices without a connection of their own: which hub speaks for them, and under which name. */
import { z } from "zod";
import { REGISTRATION_OUTCOMES, REGISTRATION_REFUSALS } from "../../model/registration.ts";
import type { Scope } from "../contract.ts";
import { alias, deviceId, devicePath, done, EXAMPLE } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";

const MAX_CHILDREN = 512;
/** 512 entries, each with the longest id and the longest name, written as JSON writes it at its longest. */
const CHILDREN_BODY_BYTES = 1_048_576;

const otherSubject = z
  .boolean()
  .optional()
  .describe("The child may be another person's than the hub; both are shown that. Without it such a child is refused.");

const registration = z
  .strictObject({ alias, otherSubject })
  .meta({ examples: [{ alias: "0x00158d0003e7a1b2" }, { alias: "Guest room", otherSubject: true }] });

const registrations = z
  .strictObject({
    children: z.array(z.strictObject({ device: deviceId, alias, otherSubject })).max(MAX_CHILDREN),
  })
  .meta({
    examples: [
      {
        children: [
          { device: "plug-7", alias: "Kitchen/plug" },
          { device: "tag-2", alias: "Guest room", otherSubject: true },
        ],
      },
    ],
  });
type Registrations = z.infer<typeof registrations>;

const outcomes = z
  .strictObject({ outcomes: z.array(z.enum(REGISTRATION_OUTCOMES)) })
  .describe(
    "One for each child of the request, in its order. `registered` and `already` mean that the hub speaks for it.",
  )
  .meta({ examples: [{ outcomes: ["registered", "not-bound"] }] });

const childrenAnswer = z
  .strictObject({
    hub: z.boolean().describe("Whether the dialect of its token lets it speak for others."),
    children: z.array(
      z.strictObject({
        device: z.string().describe("The keyed hash, as in the consent record."),
        heard: z.boolean().describe("False: bound to no subject at the moment, or one side says no more."),
        otherSubject: z.boolean(),
      }),
    ),
  })
  .meta({ examples: [{ hub: true, children: [{ device: EXAMPLE.device, heard: true, otherSubject: false }] }] });

const hubAndChild = z.strictObject({ hub: deviceId, device: deviceId });
type Place = z.infer<typeof hubAndChild>;

export function hubRoutes(scope: Scope, ports: HttpPorts): void {
  scope.put(
    "/v1/devices/:device/children",
    {
      bodyLimit: CHILDREN_BODY_BYTES,
      config: {
        audit: {
          act: "children-registered",
          detail: ({ body }) => {
            const { children } = body as Registrations;
            return { children: children.length, otherSubject: children.filter((one) => one.otherSubject).length };
          },
        },
        problems: ["conflict"],
      },
      schema: {
        operationId: "registerChildren",
        tags: ["devices"],
        summary: "Say which devices a hub speaks for",
        description:
          "Idempotent. Those that are named are added, or get another alias; others stay. A device is behind one hub at most and under one alias, and a token of its own ends. Both are bound to the same subject, or `otherSubject` says that they need not be. It ends when either changes hands, is unbound, or is erased. A registration is not consent.",
        params: devicePath,
        body: registrations,
        response: { 200: outcomes },
      },
    },
    async (request, reply) => {
      const hub = ports.lookup.deviceKey(request.params.device);
      const wanted = request.body.children.map((one) => ({
        key: ports.lookup.deviceKey(one.device),
        alias: ports.lookup.aliasMac(hub, one.alias),
        otherSubject: one.otherSubject ?? false,
      }));
      return reply.code(200).send({ outcomes: [...(await ports.hubs.register(hub, wanted))] });
    },
  );

  scope.get(
    "/v1/devices/:device/children",
    {
      schema: {
        operationId: "listChildren",
        tags: ["devices"],
        summary: "The devices a hub speaks for",
        description: "At most 512. Their names are not among them: only keyed hashes of names are kept.",
        params: devicePath,
        response: { 200: childrenAnswer },
      },
    },
    async (request, reply) => {
      const hub = ports.lookup.deviceKey(request.params.device);
      const [dialect, children] = await Promise.all([ports.hubs.dialectOf(hub), ports.hubs.load(hub)]);
      return reply.code(200).send({
        hub: dialect !== undefined && ports.dialects.get(dialect)?.hub === true,
        children: children.map(({ key, subjectTag, otherSubject }) => ({
          device: key,
          heard: subjectTag !== undefined,
          otherSubject,
        })),
      });
    },
  );

  scope.put(
    "/v1/devices/:hub/children/:device",
    {
      config: {
        audit: {
          act: "children-registered",
          detail: ({ params, body }) => ({
            hub: ports.lookup.deviceKey((params as Place).hub),
            otherSubject: (body as { otherSubject?: boolean }).otherSubject ? 1 : 0,
          }),
        },
        problems: ["conflict", ...REGISTRATION_REFUSALS],
      },
      schema: {
        operationId: "registerChild",
        tags: ["devices"],
        summary: "Say that a hub speaks for a device",
        description: "Idempotent. As with many at once, but what stands in the way is a problem.",
        params: hubAndChild,
        body: registration,
        response: { 204: done },
      },
    },
    async (request, reply) => {
      const hub = ports.lookup.deviceKey(request.params.hub);
      const key = ports.lookup.deviceKey(request.params.device);
      const one = { key, alias: ports.lookup.aliasMac(hub, request.body.alias) };
      const otherSubject = request.body.otherSubject ?? false;
      const [outcome = "not-bound"] = await ports.hubs.register(hub, [{ ...one, otherSubject }]);
      if (outcome === "registered" || outcome === "already" || outcome === "twice") return reply.code(204).send(null);
      return refuse(reply, outcome);
    },
  );

  scope.delete(
    "/v1/devices/:hub/children/:device",
    {
      config: {
        audit: {
          act: "child-removed",
          detail: ({ params }) => ({ hub: ports.lookup.deviceKey((params as Place).hub) }),
        },
        problems: ["conflict", "not-a-child"],
      },
      schema: {
        operationId: "removeChild",
        tags: ["devices"],
        summary: "A hub no longer speaks for a device",
        description: "The hub's session goes on; what it says of this device is that of an unknown one from here on.",
        params: hubAndChild,
        response: { 204: done },
      },
    },
    async (request, reply) => {
      const { hub, device } = request.params;
      const removed = await ports.hubs.remove(ports.lookup.deviceKey(hub), ports.lookup.deviceKey(device));
      return removed ? reply.code(204).send(null) : refuse(reply, "not-a-child");
    },
  );
}
