/** Which devices belong to a subject, and the tokens devices log in with. */
import { z } from "zod";
import { settle } from "../await-fence.ts";
import type { Scope } from "../contract.ts";
import { devicePath, done, subjectDevicePath } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";

const tokenAnswer = z
  .strictObject({ token: z.string() })
  .describe("The new token. It is shown this once and kept only as a keyed hash.")
  .meta({ examples: [{ token: "8Xq0w1n2f9aQ5cVbL7eR3tYu6iOp4sDfGhJkZxCvBnM" }] });

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
          "Idempotent. A device bound to another subject is taken away from that one first: its live session and its token end, what was set aside for it is deleted, and nothing of the old consent carries over. Binding is not consent.",
        params: subjectDevicePath,
        response: { 204: done },
      },
    },
    async (request, reply) => {
      const device = ports.lookup.deviceKey(request.params.device);
      const { silenced } = await ports.ledger.bind(ports.lookup.subjectTag(request.params.subject), device);
      const { drained } = await settle(ports, device, silenced);
      return drained ? reply.code(204).send(null) : refuse(reply, "not-drained");
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
      const subject = ports.lookup.subjectTag(request.params.subject);
      const change = await ports.ledger.unbind(subject, device);
      const { drained } = await settle(ports, device, [{ subject, devices: change?.silenced ?? [] }]);
      if (!drained) return refuse(reply, "not-drained");
      return change === undefined ? refuse(reply, "device-not-bound") : reply.code(204).send(null);
    },
  );

  scope.post(
    "/v1/devices/:device/token",
    {
      config: { audit: { act: "token-issued" }, problems: ["conflict", "behind-hub"] },
      schema: {
        operationId: "issueToken",
        tags: ["devices"],
        summary: "Issue a new token for a device",
        description: "The token before stops working and the device's live session ends.",
        params: devicePath,
        response: { 201: tokenAnswer },
      },
    },
    async (request, reply) => {
      const issued = await ports.credentials.issue(ports.lookup.deviceKey(request.params.device));
      if (issued.refused !== undefined) return refuse(reply, issued.refused);
      return reply.code(201).header("cache-control", "no-store").send({ token: issued.token });
    },
  );
}
