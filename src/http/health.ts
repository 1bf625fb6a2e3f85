/** For supervisors and Prometheus: open without a token, because nothing personal is in it. */
import { z } from "zod";
import type { Scope } from "./contract.ts";
import type { HttpPorts } from "./ports.ts";

const alive = z.strictObject({ alive: z.literal(true) }).meta({ examples: [{ alive: true }] });
const readiness = z.strictObject({ ready: z.boolean(), reasons: z.array(z.string()) });
const metrics = z.string().meta({ examples: ["consentry_messages_received_total 42\n"] });

export function healthRoutes(scope: Scope, ports: HttpPorts): void {
  scope.get(
    "/livez",
    {
      schema: {
        operationId: "livez",
        tags: ["health"],
        summary: "Is the process alive",
        description: "Answers as long as the event loop turns.",
        response: { 200: alive },
      },
    },
    async () => ({ alive: true as const }),
  );

  scope.get(
    "/readyz",
    {
      schema: {
        operationId: "readyz",
        tags: ["health"],
        summary: "Can the gateway take messages",
        description: "503 with the reasons, as codes, while it cannot.",
        response: {
          200: readiness.meta({ examples: [{ ready: true, reasons: [] }] }),
          503: readiness.meta({ examples: [{ ready: false, reasons: ["backlog-full"] }] }),
        },
      },
    },
    async (_request, reply) => {
      const { ready, reasons } = ports.readiness();
      return reply.code(ready ? 200 : 503).send({ ready, reasons: [...reasons] });
    },
  );

  scope.get(
    "/metrics",
    {
      config: { problems: ["unavailable"] },
      schema: {
        operationId: "metrics",
        tags: ["health"],
        summary: "Metrics in Prometheus text format",
        description: "Counts and durations; no label ever names a device or a person.",
        response: {
          200: { description: "Prometheus text format.", content: { "text/plain": { schema: metrics } } },
        },
      },
    },
    async (_request, reply) => {
      const text = await ports.metrics.text();
      return reply.type("text/plain; version=0.0.4; charset=utf-8").send(text);
    },
  );
}
