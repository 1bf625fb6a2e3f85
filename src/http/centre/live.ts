/** A live view of one of the person's devices: server-sent events, for minutes, from this gateway's memory alone. */
import { z } from "zod";
import type { WatchEnd } from "../../model/centre.ts";
import type { Scope } from "../contract.ts";
import { type EventStream, openStream } from "../event-stream.ts";
import type { CentrePort, HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";
import { enterOpen, stillOpens } from "./entered.ts";
import { devicesEver } from "./record.ts";

/** Above the longest look, so that it ends by itself. */
const HANDLER_TIMEOUT_MS = 16 * 60_000;

const livePath = z.strictObject({
  device: z
    .string()
    .regex(/^[1-9][0-9]{0,4}$/)
    .meta({ examples: ["1"] }),
});

const EVENTS =
  'event: sample\ndata: {"at":1767225600000,"sent":{"model":"HB-200"},"purposes":{"scene":{"nothing":"not-agreed"}}}\n\n';
const events = z.string().meta({ examples: [EVENTS] });

export function liveRoutes(scope: Scope, ports: HttpPorts, centre: CentrePort): void {
  const { samples } = centre;
  // A server that stops must not wait for live views.
  scope.addHook("preClose", async () => samples.stop());

  scope.get(
    "/centre/api/devices/:device/live",
    {
      handlerTimeout: HANDLER_TIMEOUT_MS,
      exposeHeadRoute: false,
      config: { problems: ["session-closed", "device-not-bound", "too-many-watchers"] },
      schema: {
        operationId: "centreLive",
        tags: ["privacy centre"],
        summary: "The last message of a device, and what each purpose was given of it",
        description:
          "Server-sent events: `sample` for a message that was processed by this gateway, `end` with the reason when no more comes. Nothing of it is kept anywhere.",
        params: livePath,
        response: {
          200: { description: "Events as they happen.", content: { "text/event-stream": { schema: events } } },
        },
      },
    },
    async (request, reply) => {
      const entered = await enterOpen(ports, request);
      if ("refused" in entered) return refuse(reply, entered.refused);
      const { session, person } = entered;
      const deviceKey = devicesEver(person.record)[Number(request.params.device) - 1];
      const bound = person.record.devices.some(({ device }) => device === deviceKey);
      if (deviceKey === undefined || !bound) return refuse(reply, "device-not-bound");
      let stream: EventStream | undefined;
      const stop = samples.watch({
        device: { deviceKey, subjectTag: session.tag },
        session: session.id,
        forMs: session.exp - Date.now(),
        stands: () => stillOpens(ports, centre, session, deviceKey),
        sample: (json) => stream?.send("sample", json),
        ended: (why: WatchEnd) => stream?.end("end", JSON.stringify({ why })),
      });
      if (stop === undefined) return refuse(reply, "too-many-watchers");
      stream = openStream(reply, stop);
    },
  );
}
