/** What a person is shown of where their devices are: what is noted, what is stored, and why nothing is where nothing is. */
import { type CentrePlaces, centrePlaces } from "../../model/centre.ts";
import type { Scope } from "../contract.ts";
import type { CentrePort, HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";
import { enterOpen } from "./entered.ts";
import { devicesEver } from "./record.ts";

const AREA = { center: [12.97, 77.59] as [number, number], corners: [], km2: 1_800 };
const answer = centrePlaces.meta({
  examples: [
    {
      places: [{ devices: [1, 2], state: "stored" as const, noted: AREA, stored: AREA }],
      leastHomes: 5,
      stepMinutes: 15,
      keptDays: 30,
    },
  ],
});

export function placesRoute(scope: Scope, ports: HttpPorts, { places }: CentrePort): void {
  scope.get(
    "/centre/api/places",
    {
      config: { problems: ["session-closed"] },
      schema: {
        operationId: "centrePlaces",
        tags: ["privacy centre"],
        summary: "Where one's own devices are, as far as anything knows",
        description:
          "For each of the person's devices the area that is noted, sealed, until it is told, and the area that the store holds; or that nothing is stored, because too few homes are near.",
        response: { 200: answer },
      },
    },
    async (request, reply) => {
      const entered = await enterOpen(ports, request);
      if ("refused" in entered) return refuse(reply, entered.refused);
      const { session, person } = entered;
      const ever = devicesEver(person.record);
      const bound = person.record.devices.map(({ device }) => device);
      const shown = await places.of(session.tag, bound);
      const numbers = new Map(ever.map((device, index) => [device, index + 1]));
      const groups = new Map<string, CentrePlaces["places"][number]>();
      for (const [index, device] of bound.entries()) {
        const number = numbers.get(device);
        const place = shown[index];
        if (number === undefined || place === undefined) continue;
        const key = JSON.stringify(place);
        const group = groups.get(key) ?? { ...place, devices: [] };
        group.devices.push(number);
        groups.set(key, group);
      }
      return reply.code(200).send({ places: [...groups.values()], ...places.rules });
    },
  );
}
