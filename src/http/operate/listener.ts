/**
 * The operator's console on a socket of its own: its page, the way in and out, and what can be seen and done inside. It opens when the
 * gateway works, and its sessions open nothing else.
 */
import { Callers, Door } from "../access.ts";
import { bareApp } from "../bare-app.ts";
import { describeRoutes, type Scope } from "../contract.ts";
import { Listening } from "../listening.ts";
import { refuseOtherMethods } from "../methods.ts";
import { pageFiles } from "../page-files.ts";
import { guardAnswers } from "../page-headers.ts";
import { requirePage } from "../page-request.ts";
import type { ProblemCode } from "../problems.ts";
import { actRoutes } from "./act-routes.ts";
import type { ConsolePorts } from "./ports.ts";
import { readingRoutes } from "./reading-routes.ts";
import { Sampler } from "./sampler.ts";
import { CONSOLE_PAGE, CONSOLE_PATH, requireConsoleSession, signInRoutes, stayRoutes } from "./session-routes.ts";
import { Sessions } from "./sessions.ts";

export interface ConsoleListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly idleMinutes: number;
  readonly mostHours: number;
  readonly maxConnections: number;
  readonly failedTokensPerMinute: number;
  /** That of the HTTP interface opens this too. */
  readonly httpToken: string | undefined;
}

const BODY_LIMIT_BYTES = 4_096;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** A page asks for as many files at once as it has; and each stream holds a connection. */
const SAMPLING = { everyMs: 5_000, hourMs: HOUR_MS, mostStreams: 32, mostOfToken: 8, mostOfSession: 4 };

/** The charts of the page. */
const PACKAGED = {
  "vendor/uPlot.esm.js": "uplot/dist/uPlot.esm.js",
  "vendor/uPlot.min.css": "uplot/dist/uPlot.min.css",
};

const PROBLEMS: readonly ProblemCode[] = ["invalid-request", "unavailable", "timeout", "internal"];

export class ConsoleListener extends Listening {
  readonly #sessions: Sessions;
  readonly #sampler: Sampler;

  constructor(options: ConsoleListenerOptions, ports: ConsolePorts) {
    const { host, port, idleMinutes, mostHours } = options;
    const { tokens } = ports;
    const sessions = new Sessions(
      { idleMs: idleMinutes * MINUTE_MS, mostMs: mostHours * HOUR_MS },
      {
        tokenStands: (use) => tokens.stands(use),
        ended: ({ id }) => ports.traces.ownerGone(id),
      },
    );
    // A token that is revoked ends its sessions at once, streams included.
    tokens.onLook(() => sessions.look());
    const sampler = new Sampler(SAMPLING, ports);
    super({ name: "console", host, port }, () => consoleApp(options, ports, sessions, sampler), ports.log);
    this.#sessions = sessions;
    this.#sampler = sampler;
  }

  override async start(signal: AbortSignal): Promise<void> {
    await this.#sampler.start();
    await super.start(signal);
  }

  override async stop(): Promise<void> {
    this.#sampler.stop();
    this.#sessions.stop();
    await super.stop();
  }
}

async function consoleApp(
  { maxConnections, failedTokensPerMinute, httpToken }: ConsoleListenerOptions,
  ports: ConsolePorts,
  sessions: Sessions,
  sampler: Sampler,
): Promise<Scope> {
  const bounds = { bodyLimitBytes: BODY_LIMIT_BYTES, maxConnections, maxConnectionsPerAddress: maxConnections };
  const app = bareApp(bounds, ports.log);
  const callers = new Callers(httpToken, ports.tokens);
  const door = new Door(failedTokensPerMinute, ports);
  await app.register(async (scope: Scope) => {
    guardAnswers(scope);
    await scope.register(async (own: Scope) => {
      const finish = refuseOtherMethods(own);
      pageFiles(own, CONSOLE_PATH, "console", PACKAGED);
      own.get("/", { schema: { hide: true } }, async (_request, reply) => reply.redirect(`${CONSOLE_PATH}/`, 308));
      finish();
    });
    await scope.register(async (own: Scope) => {
      requirePage(own, CONSOLE_PAGE);
      describeRoutes(own, { problems: PROBLEMS });
      const finish = refuseOtherMethods(own);
      signInRoutes(own, ports, sessions, callers, door);
      finish();
    });
    await scope.register(async (own: Scope) => {
      requireConsoleSession(own, ports, sessions);
      requirePage(own, CONSOLE_PAGE);
      describeRoutes(own, { problems: [...PROBLEMS, "session-ended"] });
      const finish = refuseOtherMethods(own);
      stayRoutes(own, sessions);
      readingRoutes(own, ports, sampler, sessions);
      actRoutes(own, ports, sessions);
      finish();
    });
  });
  await app.ready();
  return app;
}
