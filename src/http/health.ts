/** For supervisors and Prometheus: open without a token. What would tell of a person where there are few is told with it alone. */
import { z } from "zod";
import type { readToken } from "./access.ts";
import type { Scope } from "./contract.ts";
import type { HttpPorts } from "./ports.ts";
import { inWords, oneOf } from "./scopes.ts";

const alive = z.strictObject({ alive: z.literal(true) }).meta({ examples: [{ alive: true }] });
const readiness = z.strictObject({ ready: z.boolean(), reasons: z.array(z.string()) });
const metrics = z.string().meta({ examples: ["consentry_messages_received_total 42\n"] });

/** For everything that the metrics tell. */
export const METRICS_NEED = oneOf("operate");

/** `credentialOf`: whether a request carries such a token, which it need not. */
export function healthRoutes(scope: Scope, ports: HttpPorts, credentialOf: ReturnType<typeof readToken>): void {
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
      config: { problems: ["unavailable", "unauthorized", "forbidden", "too-many-failures"] },
      schema: {
        operationId: "metrics",
        tags: ["health"],
        summary: "Metrics in Prometheus text format",
        description: `Counts and durations; no label ever names a device or a person. Without a token what tells of consent and of legal holds is told together or not at all. ${inWords(METRICS_NEED)}`,
        security: [{}, ...METRICS_NEED.map((token) => ({ token }))],
        response: {
          200: { description: "Prometheus text format.", content: { "text/plain": { schema: metrics } } },
        },
      },
    },
    async (request, reply) => {
      const credential = credentialOf(request, reply);
      if (credential === "answered") return reply;
      const text = await ports.metrics.text(credential === "right" ? "full" : "open");
      return reply.type("text/plain; version=0.0.4; charset=utf-8").send(text);
    },
  );
}
