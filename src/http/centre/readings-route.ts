/** What a person is told of the readings of their devices: each by its plain name, with what is kept of it and who gets what. */
import { z } from "zod";
import type { Scope } from "../contract.ts";
import type { CentrePort, HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";
import { enter } from "./entered.ts";

const told = z.string().max(4_096);
const readings = z
  .strictObject({
    readings: z.array(
      z.strictObject({
        name: z.string().describe("The key in `status`."),
        label: z.string(),
        unit: z.string().optional(),
        added: z.literal(true).optional().describe("A counter: a value is what was added since the one before."),
        stored: told.describe("What analytics keeps."),
        scene: told,
        weather: told.optional().describe("Absent: weather services do not get it."),
      }),
    ),
  })
  .meta({
    examples: [
      {
        readings: [
          {
            name: "temperature",
            label: "temperature",
            unit: "°C",
            stored: "rounded to 0.1 °C",
            scene: "rounded to 0.5 °C",
            weather: "rounded to 0.5 °C",
          },
        ],
      },
    ],
  });

export function readingsRoute(scope: Scope, ports: HttpPorts, centre: CentrePort): void {
  scope.get(
    "/centre/api/readings",
    {
      schema: {
        operationId: "centreReadings",
        tags: ["privacy centre"],
        summary: "What readings there are, and how exactly each is kept and passed on",
        description:
          "The closed vocabulary of `status` in plain words, the operator's own properties included. Names no device and no person.",
        response: { 200: readings },
      },
    },
    async (request, reply) => {
      const entered = await enter(ports, request);
      return "refused" in entered
        ? refuse(reply, entered.refused)
        : reply.code(200).send({ readings: [...centre.properties] });
    },
  );
}
