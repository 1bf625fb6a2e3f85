/** Which devices belong to a subject, and the tokens devices log in with. */
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { settle } from "../await-fence.ts";
import { devicePath, subjectDevicePath } from "../fields.ts";
import { idempotencyHeaders } from "../idempotency.ts";
import type { HttpPorts } from "../ports.ts";
import { CHANGE_PROBLEMS, COMMON_PROBLEMS, POST_PROBLEMS, problemResponses, refuse } from "../problems.ts";

const done = z.null().describe("Done; no body.");
const tokenAnswer = z
  .strictObject({ token: z.string() })
  .describe("The new token. It is shown this once and kept only as a keyed hash.")
  .meta({ examples: [{ token: "8Xq0w1n2f9aQ5cVbL7eR3tYu6iOp4sDfGhJkZxCvBnM" }] });

export function deviceRoutes(scope: FastifyInstance, ports: HttpPorts): void {
  const app = scope.withTypeProvider<ZodTypeProvider>();

  app.put(
    "/v1/subjects/:subject/devices/:device",
    {
      schema: {
        operationId: "bindDevice",
        tags: ["devices"],
        summary: "Bind a device to a data subject",
        description:
          "Idempotent. A device bound to another subject is taken away from that one first: its live session and its token end, what was set aside for it is deleted, and nothing of the old consent carries over. Binding is not consent.",
        params: subjectDevicePath,
        response: { 204: done, ...problemResponses(...CHANGE_PROBLEMS, "record-full") },
      },
    },
    async (request, reply) => {
      const device = ports.lookup.deviceKey(request.params.device);
      const { silenced } = await ports.ledger.bind(ports.lookup.subjectTag(request.params.subject), device);
      const { drained } = await settle(ports, device, silenced);
      return drained ? reply.code(204).send(null) : refuse(reply, "not-drained");
    },
  );

  app.delete(
    "/v1/subjects/:subject/devices/:device",
    {
      schema: {
        operationId: "unbindDevice",
        tags: ["devices"],
        summary: "Unbind a device",
        description:
          "Its live session ends. Once answered, no message of this device is stored or forwarded for this subject.",
        params: subjectDevicePath,
        response: { 204: done, ...problemResponses(...CHANGE_PROBLEMS, "device-not-bound") },
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

  app.post(
    "/v1/devices/:device/token",
    {
      schema: {
        operationId: "issueToken",
        tags: ["devices"],
        summary: "Issue a new token for a device",
        description: "The token before stops working and the device's live session ends.",
        params: devicePath,
        headers: idempotencyHeaders,
        response: { 201: tokenAnswer, ...problemResponses(...COMMON_PROBLEMS, ...POST_PROBLEMS, "conflict") },
      },
    },
    async (request, reply) => {
      const token = await ports.credentials.issue(ports.lookup.deviceKey(request.params.device));
      return reply.code(201).header("cache-control", "no-store").send({ token });
    },
  );
}
