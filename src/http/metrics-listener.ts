/**
 * Metrics and health on a socket of their own, for networks where only a scraper and a supervisor should reach them. It
 * opens before the other parts start and closes after they have stopped, so that both can be watched.
 */
import type { Log } from "../model/log.ts";
import { Door, type DoorPorts, readToken } from "./access.ts";
import { bareApp } from "./bare-app.ts";
import { describeRoutes } from "./contract.ts";
import { type HealthPorts, healthRoutes, type MetricsAccess, type MetricsPorts, metricsRoute } from "./health.ts";
import { Listening } from "./listening.ts";
import { refuseOtherMethods } from "./methods.ts";

export interface MetricsListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly maxConnections: number;
  readonly failedTokensPerMinute: number;
  readonly access: MetricsAccess;
}

/** No route here has a body. */
const BODY_LIMIT_BYTES = 1_024;

export type MetricsListenerPorts = HealthPorts & MetricsPorts & DoorPorts & { readonly log: Log };

export function metricsListener(options: MetricsListenerOptions, ports: MetricsListenerPorts): Listening {
  const { host, port, maxConnections, failedTokensPerMinute, access } = options;
  return new Listening(
    { name: "metrics", host, port },
    async () => {
      const bounds = { bodyLimitBytes: BODY_LIMIT_BYTES, maxConnections, maxConnectionsPerAddress: maxConnections };
      const app = bareApp(bounds, ports.log);
      await app.register(async (scope) => {
        describeRoutes(scope, { problems: ["internal"] });
        const finish = refuseOtherMethods(scope);
        healthRoutes(scope, ports);
        metricsRoute(scope, ports, readToken(access, new Door(failedTokensPerMinute, ports)), access);
        finish();
      });
      await app.ready();
      return app;
    },
    ports.log,
  );
}
