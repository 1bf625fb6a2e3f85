/** Services that are given data: looked at, registered, narrowed and removed while the gateway runs, and their tokens. */
import type { FastifyRequest } from "fastify";
import { MAX_TOKENS, type NamedService } from "../../model/service.ts";
import type { Scope } from "../contract.ts";
import { done } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { type FieldError, type ProblemCode, refuse } from "../problems.ts";
import {
  type Answer,
  answer,
  entry,
  ifMatch,
  listAnswer,
  servicePath,
  tokenAnswer,
  tokenPath,
} from "./service-schemas.ts";

const detail = ({ params }: FastifyRequest) => ({ service: (params as { name: string }).name });
const CHANGE_PROBLEMS = ["conflict", "service-in-file", "unknown-service"] as const satisfies readonly ProblemCode[];

export function serviceRoutes(scope: Scope, ports: HttpPorts): void {
  scope.get(
    "/v1/services",
    {
      schema: {
        operationId: "listServices",
        tags: ["services"],
        summary: "All services",
        description:
          "Those of the configuration file, and those that were registered. Removed ones are not among them.",
        response: { 200: listAnswer },
      },
    },
    async (_request, reply) => {
      await ports.services.directory.refresh();
      return reply.code(200).send({ services: ports.services.directory.all().map((service) => shown(ports, service)) });
    },
  );

  scope.get(
    "/v1/services/:name",
    {
      config: { problems: ["unknown-service", "precondition-failed"] },
      schema: {
        operationId: "getService",
        tags: ["services"],
        summary: "One service",
        description: "The ETag names this state of it; a later change can ask for it with `If-Match`.",
        params: servicePath,
        response: { 200: answer },
      },
    },
    async (request, reply) => {
      await ports.services.directory.refresh();
      const service = ports.services.directory.get(request.params.name);
      if (service === undefined) return refuse(reply, "unknown-service");
      if (service.revision !== undefined) reply.header("etag", `"${service.revision}"`);
      return reply.code(200).send(shown(ports, service));
    },
  );

  scope.put(
    "/v1/services/:name",
    {
      config: {
        audit: { act: "service-registered", detail },
        problems: [
          "conflict",
          "service-in-file",
          "revision-differs",
          "recipient-differs",
          "too-many-services",
          "service-not-covered",
        ],
      },
      schema: {
        operationId: "putService",
        tags: ["services"],
        summary: "Register a service, or change what it may be given",
        description:
          "Idempotent, and in force at once, also for what is connected: what it lost it gets no more. It can log in once it has a token. Of two changes at once one is refused. A service that the configuration file names changes there alone.",
        params: servicePath,
        headers: ifMatch,
        body: entry,
        response: { 200: answer, 201: answer },
      },
    },
    async (request, reply) => {
      const changed = await ports.services.registry.put(request.params.name, request.body, expected(request));
      if (changed.refused !== undefined)
        return refuse(reply, changed.refused, changed.faults as FieldError[] | undefined);
      const service = ports.services.directory.get(request.params.name);
      if (service === undefined) return refuse(reply, "conflict");
      reply.header("etag", `"${changed.entry.revision}"`);
      return reply.code(changed.isNew ? 201 : 200).send(shown(ports, service));
    },
  );

  scope.delete(
    "/v1/services/:name",
    {
      config: {
        audit: { act: "service-removed", detail, unstoppable: true },
        problems: [...CHANGE_PROBLEMS, "revision-differs"],
      },
      schema: {
        operationId: "removeService",
        tags: ["services"],
        summary: "Remove a service",
        description:
          "Its tokens end and its connections are cut, here before the answer and on every other gateway at once. It stays in the accounts of whom data went to; erasures can't be told to it any more, which their receipts say.",
        params: servicePath,
        headers: ifMatch,
        response: { 204: done },
      },
    },
    async (request, reply) => {
      const changed = await ports.services.registry.remove(request.params.name, expected(request));
      return changed.refused === undefined ? reply.code(204).send(null) : refuse(reply, changed.refused);
    },
  );

  scope.post(
    "/v1/services/:name/tokens",
    {
      config: { audit: { act: "service-token-issued", detail }, problems: [...CHANGE_PROBLEMS, "two-tokens"] },
      schema: {
        operationId: "issueServiceToken",
        tags: ["services"],
        summary: "Issue a token for a service",
        description: `The MQTT password of the service, whose user name is its name. At most ${MAX_TOKENS} are good at one time, so that one can take the place of the other while the service goes on.`,
        params: servicePath,
        response: { 201: tokenAnswer },
      },
    },
    async (request, reply) => {
      const issued = await ports.services.registry.issueToken(request.params.name);
      if (issued.refused !== undefined) return refuse(reply, issued.refused);
      const { token, number } = issued;
      return reply.code(201).header("cache-control", "no-store").send({ token, number });
    },
  );

  scope.delete(
    "/v1/services/:name/tokens/:number",
    {
      config: {
        audit: {
          act: "service-token-revoked",
          detail: (request) => ({ ...detail(request), number: Number((request.params as { number: string }).number) }),
          unstoppable: true,
        },
        problems: [...CHANGE_PROBLEMS, "unknown-token"],
      },
      schema: {
        operationId: "revokeServiceToken",
        tags: ["services"],
        summary: "Revoke a token of a service",
        description:
          "Connections that logged in with it are cut, here before the answer and on every other gateway at once.",
        params: tokenPath,
        response: { 204: done },
      },
    },
    async (request, reply) => {
      const changed = await ports.services.registry.revokeToken(request.params.name, Number(request.params.number));
      return changed.refused === undefined ? reply.code(204).send(null) : refuse(reply, changed.refused);
    },
  );
}

/** The revision that the request expects, 0 for none; `undefined` when it says nothing of it. */
function expected({ headers }: FastifyRequest): number | undefined {
  if (headers["if-none-match"] !== undefined) return 0;
  const match = headers["if-match"];
  return match === undefined ? undefined : Number(match.slice(1, -1));
}

function shown({ services: { coverage } }: HttpPorts, service: NamedService): Answer {
  const { purposes, former, categories, tokens, ...rest } = service;
  return {
    ...rest,
    purposes: [...purposes],
    former: [...former],
    ...(categories !== undefined && { categories: [...categories] }),
    tokens: tokens.map(({ number, issuedAt }) => ({ number, issuedAt })),
    given: purposes.filter((purpose) => coverage.covers(service.name, purpose)),
  };
}
