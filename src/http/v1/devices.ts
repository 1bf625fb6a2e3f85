/** Which devices belong to a subject, and the tokens devices log in with. */
import { z } from "zod";
import { bindDevice, unbindDevice } from "../../operations/device-acts.ts";
import type { Scope } from "../contract.ts";
import { alias, devicePath, done, subjectDevicePath } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";

const tokenAnswer = z
  .strictObject({ token: z.string() })
  .describe("The new token. It is shown this once and kept only as a keyed hash.")
  .meta({ examples: [{ token: "8Xq0w1n2f9aQ5cVbL7eR3tYu6iOp4sDfGhJkZxCvBnM" }] });

/** Absent: the gateway's own contract. */
const speech = z
  .strictObject({
    dialect: z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,31}$/)
      .optional()
      .describe("As `npm run dialect -- list` names it. Absent: the gateway's own contract."),
    alias: alias.optional(),
    presence: z.boolean().optional().describe("Whether `online` follows its connection. Of phones it never does."),
  })
  .refine(({ dialect, alias: named }) => named === undefined || dialect !== undefined, {
    path: ["dialect"],
    message: "missing",
  })
  .nullish()
  .meta({ examples: [{ dialect: "tasmota", alias: "tasmota_3D5E26", presence: true }] });

export function deviceRoutes(scope: Scope, ports: HttpPorts): void {
  scope.put(
    "/v1/subjects/:subject/devices/:device",
    {
      config: { audit: { act: "device-bound" }, problems: ["conflict", "not-drained", "record-full"] },
      schema: {
        operationId: "bindDevice",
        tags: ["devices"],
        summary: "Bind a device to a data subject",
        description:
          "Idempotent. A device bound to another subject is taken away from that one first: its live session and its token end, its dead letters are deleted, and nothing of the old consent carries over. Binding is not consent.",
        params: subjectDevicePath,
        response: { 204: done },
      },
    },
    async (request, reply) => {
      const device = ports.lookup.deviceKey(request.params.device);
      const { refused } = await bindDevice(ports, ports.lookup.subjectTag(request.params.subject), device);
      return refused === undefined ? reply.code(204).send(null) : refuse(reply, refused);
    },
  );

  scope.delete(
    "/v1/subjects/:subject/devices/:device",
    {
      config: {
        audit: { act: "device-unbound", unstoppable: true },
        problems: ["conflict", "not-drained", "device-not-bound"],
      },
      schema: {
        operationId: "unbindDevice",
        tags: ["devices"],
        summary: "Unbind a device",
        description:
          "Its live session ends. Once answered, no message of this device is stored or forwarded for this subject.",
        params: subjectDevicePath,
        response: { 204: done },
      },
    },
    async (request, reply) => {
      const device = ports.lookup.deviceKey(request.params.device);
      const { refused } = await unbindDevice(ports, ports.lookup.subjectTag(request.params.subject), device);
      return refused === undefined ? reply.code(204).send(null) : refuse(reply, refused);
    },
  );

  scope.post(
    "/v1/devices/:device/token",
    {
      config: { audit: { act: "token-issued" }, problems: ["conflict", "behind-hub", "dialect-unknown"] },
      schema: {
        operationId: "issueToken",
        tags: ["devices"],
        summary: "Issue a new token for a device",
        description:
          "The token before stops working and the device's live session ends. The body says how the device speaks, and may be left out; what the token before it said of that no longer counts. A device behind a hub gets none.",
        params: devicePath,
        body: speech,
        response: { 201: tokenAnswer },
      },
    },
    async (request, reply) => {
      const device = ports.lookup.deviceKey(request.params.device);
      const { dialect, alias, presence } = request.body ?? {};
      if (dialect !== undefined && !ports.dialects.has(dialect)) return refuse(reply, "dialect-unknown");
      const issued = await ports.credentials.issue(device, {
        dialect,
        alias: alias === undefined ? undefined : ports.lookup.aliasMac(device, alias),
        presence,
      });
      if (issued.refused !== undefined) return refuse(reply, issued.refused);
      return reply.code(201).header("cache-control", "no-store").send({ token: issued.token });
    },
  );
}
