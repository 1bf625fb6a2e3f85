/** For supervisors and Prometheus: open without a token. What would tell of a person where there are few is told with it alone. */
import { z } from "zod";
import { READINESS_REASONS } from "../model/readiness.ts";
import type { MetricsAccess, readToken } from "./access.ts";
import type { Scope } from "./contract.ts";
import type { HttpPorts } from "./ports.ts";
import { inWords, oneOf } from "./scopes.ts";

const alive = z.strictObject({ alive: z.literal(true) }).meta({ examples: [{ alive: true }] });
const reason = z.enum(READINESS_REASONS);
const readiness = z.strictObject({ ready: z.boolean(), reasons: z.array(reason) });
/** Once or several times. */
const excluded = z
  .union([reason, z.array(reason).max(READINESS_REASONS.length)])
  .optional()
  .meta({ examples: ["store-unavailable"] });
const metrics = z.string().meta({ examples: ["consentry_messages_received_total 42\n"] });

export type HealthPorts = Pick<HttpPorts, "readiness">;
export type MetricsPorts = { readonly metrics: Pick<HttpPorts["metrics"], "text"> };

/** For everything that the metrics tell. */
export const METRICS_NEED = oneOf("operate");

export function healthRoutes(scope: Scope, ports: HealthPorts): void {
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
        description:
          "503 with the reasons, as codes, while it cannot. Reasons that are excluded do not count: `?exclude=store-unavailable` for a balancer, since messages are acknowledged and wait meanwhile.",
        querystring: z.strictObject({ exclude: excluded }),
        response: {
          200: readiness.meta({ examples: [{ ready: true, reasons: [] }] }),
          503: readiness.meta({ examples: [{ ready: false, reasons: ["backlog-full"] }] }),
        },
      },
    },
    async (request, reply) => {
      const without = [request.query.exclude ?? []].flat();
      const reasons = ports.readiness().reasons.filter((reason) => !without.includes(reason));
      const ready = reasons.length === 0;
      return reply.code(ready ? 200 : 503).send({ ready, reasons });
    },
  );
}

/** `credentialOf`: whether a request carries a token that reads everything. */
export function metricsRoute(
  scope: Scope,
  ports: MetricsPorts,
  credentialOf: ReturnType<typeof readToken>,
  { required }: Pick<MetricsAccess, "required">,
): void {
  scope.get(
    "/metrics",
    {
      config: { problems: ["unavailable", "unauthorized", "forbidden", "too-many-failures"] },
      schema: {
        operationId: "metrics",
        tags: ["health"],
        summary: "Metrics in Prometheus text format",
        description: `Counts and durations; no label ever names a device or a person. Without a token what tells of consent and of legal holds is told together or not at all. ${inWords(METRICS_NEED)}`,
        security: [...(required ? [] : [{}]), ...METRICS_NEED.map((token) => ({ token }))],
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
