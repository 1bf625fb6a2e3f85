/** Reading the configuration again while the gateway runs, as SIGHUP does. */
import { z } from "zod";
import type { Scope } from "../contract.ts";
import type { HttpPorts } from "../ports.ts";
import { reloadedOr } from "../reload-answer.ts";

const options = z.array(z.string()).readonly();
const reloadAnswer = z
  .strictObject({
    changed: options.describe("Options that are in force as they stand now. Names alone, never what they are set to."),
    needRestart: options.describe(
      "Options that differ from what is in force, and stay as they are until the next start.",
    ),
  })
  .meta({ examples: [{ changed: ["mqtt.tls.certFile", "mqtt.tls.keyFile"], needRestart: ["mqtt.maxConnections"] }] });

export function reloadRoutes(scope: Scope, ports: Pick<HttpPorts, "reload">): void {
  scope.post(
    "/v1/reload",
    {
      config: { audit: { act: "configuration-reloaded" }, problems: ["conflict", "config-invalid"] },
      schema: {
        operationId: "reloadConfiguration",
        tags: ["operation"],
        summary: "Read the configuration again",
        description:
          "The same as SIGHUP: the log level, the certificate of MQTT over TLS, properties that were added, and dialects come into force. A configuration with any fault is refused as a whole, and each fault is named. It concerns this gateway alone.",
        response: { 200: reloadAnswer },
      },
    },
    async (_request, reply) => reloadedOr(reply, await ports.reload()),
  );
}
