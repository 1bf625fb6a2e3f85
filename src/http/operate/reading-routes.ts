/** What is to be seen on the console: of the whole gateway at once and live, and what is asked for apart. */
import { BY_CONSENT } from "../../model/outcome.ts";
import type { Scope } from "../contract.ts";
import { type EventStream, openStream } from "../event-stream.ts";
import { asOperator } from "../operator-act.ts";
import { refuse } from "../problems.ts";
import type { ConsolePorts } from "./ports.ts";
import type { Sampler } from "./sampler.ts";
import { CONSOLE_PATH, sessionOf } from "./session-routes.ts";
import type { Sessions } from "./sessions.ts";
import { cells, deviceAsked, keyAges, refusals } from "./shapes.ts";

const API = `${CONSOLE_PATH}/api`;
/** Above the longest session, so that a stream ends by itself. */
const STREAM_TIMEOUT_MS = 25 * 3_600_000;

export function readingRoutes(scope: Scope, ports: ConsolePorts, sampler: Sampler, sessions: Sessions): void {
  scope.get(`${API}/overview`, { schema: { operationId: "consoleOverview" } }, async (_request, reply) =>
    // Written by its schema already, once for all.
    reply.type("application/json; charset=utf-8").send(await sampler.overview()),
  );

  scope.get(
    `${API}/live`,
    { handlerTimeout: STREAM_TIMEOUT_MS, exposeHeadRoute: false, schema: { operationId: "consoleLive" } },
    async (request, reply) => {
      const session = sessionOf(request);
      if (!sampler.mayWatch(session)) return refuse(reply, "too-many-watchers");
      let takeBack = (): void => undefined;
      const stream: EventStream = openStream(reply, () => {
        sampler.gone(stream);
        takeBack();
      });
      takeBack = sessions.onEnd(session, () => sampler.end(stream, "session"));
      sampler.watch(stream, session);
    },
  );

  scope.get(`${API}/cells`, { schema: { operationId: "consoleCells", response: { 200: cells } } }, async () => ({
    cells: await ports.cells(),
  }));

  scope.get(`${API}/keys`, { schema: { operationId: "consoleKeys", response: { 200: keyAges } } }, async () =>
    ports.keyAges(),
  );

  // Asked with a body: an address could stand in the history of a browser, or in the log of a proxy.
  scope.post(
    `${API}/refusals`,
    {
      config: { audit: "keeps nothing" },
      schema: {
        operationId: "consoleRefusals",
        body: deviceAsked.meta({ examples: [{ device: "hub-42" }] }),
        response: { 200: refusals },
      },
    },
    async (request) => {
      const device = ports.lookup.deviceKey(request.body.device);
      const asked = { act: "refusals-read", device, use: sessionOf(request).use } as const;
      const noted = await asOperator(ports.audit, asked, () => ports.refusals.of(device));
      return {
        refusals: noted.map(({ at, reason, rule, path }) => ({
          at,
          reason: BY_CONSENT.has(reason) ? ("not-consented" as const) : reason,
          ...(rule !== undefined && { rule }),
          ...(path !== undefined && { path }),
        })),
      };
    },
  );
}
