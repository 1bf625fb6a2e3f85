/**
 * The HTTP interface of the account service and of operators: Fastify, every body and path checked
 * against a schema, every error a problem without a value in it, no line logged about any request.
 */
import type { AddressInfo } from "node:net";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";
import { jsonSchemaTransform } from "fastify-type-provider-zod";
import {
  type Approver,
  Callers,
  Door,
  type MetricsAccess,
  readToken,
  requireApprover,
  requireToken,
} from "./access.ts";
import { asyncApiRoute } from "./asyncapi.ts";
import { auditActs } from "./audited.ts";
import { type AppBounds, bareApp } from "./bare-app.ts";
import { centreRoutes } from "./centre/routes.ts";
import { COOKIE, TLS_COOKIE } from "./centre/session.ts";
import { honourConditions } from "./conditional.ts";
import { describeRoutes } from "./contract.ts";
import { API_INFO, SERVERS, TAGS } from "./description.ts";
import { frontPage } from "./front-page.ts";
import { healthRoutes, METRICS_NEED, metricsRoute } from "./health.ts";
import { honourKeys } from "./idempotency.ts";
import { Listening } from "./listening.ts";
import { refuseOtherMethods } from "./methods.ts";
import { type Description, withNamedSchemas } from "./named-schemas.ts";
import type { HttpPorts } from "./ports.ts";
import { COMMON_PROBLEMS } from "./problems.ts";
import { declareScopes } from "./scopes.ts";
import { auditRoutes } from "./v1/audit.ts";
import { consentRoutes } from "./v1/consents.ts";
import { deviceHintRoutes } from "./v1/device-hints.ts";
import { deviceRoutes } from "./v1/devices.ts";
import { disclosureRoutes } from "./v1/disclosures.ts";
import { erasureRoutes } from "./v1/erasures.ts";
import { exportRoutes } from "./v1/export.ts";
import { holdRoutes } from "./v1/holds.ts";
import { hubRoutes } from "./v1/hubs.ts";
import { linkRoutes } from "./v1/links.ts";
import { policyRoutes } from "./v1/policies.ts";
import { reloadRoutes } from "./v1/reload.ts";
import { ROUTE_SCOPES } from "./v1/scopes.ts";
import { serviceRoutes } from "./v1/services.ts";
import { withdrawalRoutes } from "./v1/withdrawals.ts";

export interface HttpOptions extends AppBounds {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The bearer token that opens every route but those of approvers; absent: only named tokens open any. */
  readonly token?: string | undefined;
  /** Who may place legal holds, each under a token of their own. */
  readonly approvers: readonly Approver[];
  /** Wrong tokens from one address before the next wrong ones are answered 429; a right one is always let in. */
  readonly failedTokensPerMinute: number;
  /** Who may read the metrics here; `undefined`: they have a listener of their own. */
  readonly metrics: MetricsAccess | undefined;
}

export class HttpApi extends Listening {
  constructor(options: HttpOptions, ports: HttpPorts) {
    const { host, port } = options;
    super({ name: "http", host, port }, () => createApp(options, ports), ports.log);
  }
}

/** The application without a socket: routes, checks and the OpenAPI description. */
export async function createApp(options: HttpOptions, ports: HttpPorts): Promise<FastifyInstance> {
  const app = bareApp(options, ports.log);
  await describeApi(app);

  const door = new Door(options.failedTokensPerMinute, ports);
  const callers = new Callers(options.token, ports.tokens);
  await app.register(async (scope) => {
    describeRoutes(scope, { problems: ["invalid-request", "internal"] });
    const finish = refuseOtherMethods(scope);
    healthRoutes(scope, ports);
    if (options.metrics !== undefined)
      metricsRoute(scope, ports, readToken(callers, door, METRICS_NEED, options.metrics), options.metrics);
    asyncApiRoute(scope, ports);
    finish();
  });
  await app.register(async (scope) => {
    requireToken(scope, callers, door);
    honourKeys(scope, ports);
    honourConditions(scope);
    auditActs(scope, ports, () => "account-service");
    declareScopes(scope, ROUTE_SCOPES);
    describeRoutes(scope, { security: "token", problems: [...COMMON_PROBLEMS, "forbidden"] });
    const finish = refuseOtherMethods(scope);
    deviceHintRoutes(scope, ports);
    deviceRoutes(scope, ports);
    hubRoutes(scope, ports);
    consentRoutes(scope, ports);
    withdrawalRoutes(scope, ports);
    erasureRoutes(scope, ports);
    serviceRoutes(scope, ports);
    disclosureRoutes(scope, ports);
    exportRoutes(scope, ports);
    auditRoutes(scope, ports);
    reloadRoutes(scope, ports);
    if (ports.centre !== undefined) linkRoutes(scope, ports, ports.centre, () => addressOf(app, options.host));
    // A scope of its own: its bodies are kept as bytes.
    await scope.register(async (own) => policyRoutes(own, ports));
    finish();
  });
  await app.register(async (scope) => {
    requireApprover(scope, options.approvers, door);
    auditActs(scope, ports, () => "approver");
    describeRoutes(scope, { security: "approver", problems: COMMON_PROBLEMS });
    const finish = refuseOtherMethods(scope);
    holdRoutes(scope, ports);
    finish();
  });
  const { centre } = ports;
  await app.register(async (scope) =>
    frontPage(scope, { centre: centre !== undefined, metrics: options.metrics !== undefined }),
  );
  if (centre !== undefined)
    await app.register(async (scope) => {
      // The other half stays free for the account service and health.
      await centreRoutes(scope, ports, centre, callers, Math.floor(options.maxConnections / 2));
    });
  await app.ready();
  return app;
}

/** Where the application listens, as a browser on this machine finds it. */
function addressOf(app: FastifyInstance, host: string): string {
  const { port } = app.server.address() as AddressInfo;
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

/** OpenAPI 3.1 at `/docs/json`, readable at `/docs`. It describes the contract and holds no data, so it needs no token. */
async function describeApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: API_INFO,
      servers: SERVERS,
      tags: TAGS,
      components: {
        securitySchemes: {
          token: {
            type: "http",
            scheme: "bearer",
            description:
              "A named token with one of the scopes that the route lists, or that of the configuration, which has all.",
          },
          approver: { type: "http", scheme: "bearer", description: "Each approver has a token of their own." },
          centre: {
            type: "apiKey",
            in: "cookie",
            name: TLS_COOKIE,
            description: `From a link, for minutes. Over plain HTTP, which only loopback is served, it is called \`${COOKIE}\`.`,
          },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: (made) =>
      "openapiObject" in made
        ? (withNamedSchemas(made.openapiObject as Description) as typeof made.openapiObject)
        : made.swaggerObject,
  });
  await app.register(swaggerUi, { routePrefix: "/docs", staticCSP: true });
}
