/** The contract of services over MQTT, to be read beside the OpenAPI description; open, because it says nothing of anybody. */
import { z } from "zod";
import type { Scope } from "./contract.ts";
import type { HttpPorts } from "./ports.ts";

const document = z.looseObject({ asyncapi: z.literal("3.0.0") }).meta({ examples: [{ asyncapi: "3.0.0" }] });

export function asyncApiRoute(scope: Scope, ports: Pick<HttpPorts, "asyncApi">): void {
  scope.get(
    "/docs/asyncapi.json",
    {
      schema: {
        operationId: "asyncapi",
        tags: ["services"],
        summary: "What services get over MQTT",
        description:
          "AsyncAPI 3: topics and JSON Schemas of what a service of each purpose receives and may publish, with the properties that are configured here.",
        response: { 200: document },
      },
    },
    async () => ports.asyncApi() as z.infer<typeof document>,
  );
}
