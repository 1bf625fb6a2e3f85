/**
 * Metrics and health on a socket of their own, for networks where only a scraper and a supervisor should reach them. It
 * opens before the other parts start and closes after they have stopped, so that both can be watched.
 */
import type { Log } from "../model/log.ts";
import { Callers, Door, type DoorPorts, type MetricsAccess, readToken } from "./access.ts";
import { bareApp } from "./bare-app.ts";
import { describeRoutes } from "./contract.ts";
import { type HealthPorts, healthRoutes, METRICS_NEED, type MetricsPorts, metricsRoute } from "./health.ts";
import { Listening } from "./listening.ts";
import { refuseOtherMethods } from "./methods.ts";
import type { HttpPorts } from "./ports.ts";

export interface MetricsListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly maxConnections: number;
  readonly failedTokensPerMinute: number;
  readonly access: MetricsAccess;
  /** That of the HTTP interface opens this too. */
  readonly httpToken: string | undefined;
}

/** No route here has a body. */
const BODY_LIMIT_BYTES = 1_024;

export type MetricsListenerPorts = HealthPorts &
  MetricsPorts &
  DoorPorts &
  Pick<HttpPorts, "tokens"> & { readonly log: Log };

export function metricsListener(options: MetricsListenerOptions, ports: MetricsListenerPorts): Listening {
  const { host, port, maxConnections, failedTokensPerMinute, access, httpToken } = options;
  return new Listening(
    { name: "metrics", host, port },
    async () => {
      const bounds = { bodyLimitBytes: BODY_LIMIT_BYTES, maxConnections, maxConnectionsPerAddress: maxConnections };
      const app = bareApp(bounds, ports.log);
      await app.register(async (scope) => {
        describeRoutes(scope, { problems: ["invalid-request", "internal"] });
        const finish = refuseOtherMethods(scope);
        healthRoutes(scope, ports);
        const callers = new Callers(httpToken, ports.tokens);
        const door = new Door(failedTokensPerMinute, ports);
        metricsRoute(scope, ports, readToken(callers, door, METRICS_NEED, access), access);
        finish();
      });
      await app.ready();
      return app;
    },
    ports.log,
  );
}
