/**
 * Every route that changes something, or gives out everything, stands in this table, and so in the audit
 * log: one line before the act (`asked`) and one after it (`done`, `refused`, `failed`), also when the answer
 * did not wait for its end. A changing route without a row does not start. A line that cannot be written stops
 * the act, except where the act is a right of the data subject: that goes ahead, and its line follows.
 */
import { finished, Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { AuditAct, AuditActName, AuditDetail, AuditOutcome, AuditRole } from "../model/audit.ts";
import { statedReference } from "../model/consent-record.ts";
import type { DeviceId, SubjectId, SubjectTag } from "../model/ids.ts";
import { approverOf } from "./access.ts";
import type { HttpPorts } from "./ports.ts";

interface AuditedRoute {
  readonly act: AuditActName | ((request: FastifyRequest) => AuditActName);
  readonly detail?: (request: FastifyRequest) => AuditDetail;
  /** A right of the data subject: no fault of the log may stand in its way. */
  readonly unstoppable?: true;
}

/** Method and address → what it is called in the log. */
const AUDITED: Readonly<Record<string, AuditedRoute | "keeps nothing">> = {
  "POST /v1/devices/:device/token": { act: "token-issued" },
  "PUT /v1/subjects/:subject/devices/:device": { act: "device-bound" },
  "DELETE /v1/subjects/:subject/devices/:device": { act: "device-unbound", unstoppable: true },
  "POST /v1/subjects/:subject/consents": {
    act: (request) => {
      const state = field(request, "state");
      return state === "refused" || state === "requested" ? `consent-${state}` : "consent-given";
    },
    detail: (request) => ({ ...stated(request), policyVersion: Number(field(request, "policyVersion")) }),
  },
  "POST /v1/subjects/:subject/withdrawals": { act: "consent-withdrawn", detail: stated, unstoppable: true },
  "POST /v1/subjects/:subject/erasures": { act: "erasure-requested", detail: stated, unstoppable: true },
  "POST /v1/subjects/:subject/links": { act: "link-issued", detail: stated },
  "POST /centre/session": { act: "link-used" },
  "DELETE /centre/session": "keeps nothing",
  "POST /centre/api/stay": "keeps nothing",
  "POST /centre/api/consents": { act: "consent-given" },
  "POST /centre/api/withdrawals": { act: "consent-withdrawn", unstoppable: true },
  "POST /centre/api/erasures": { act: "erasure-requested", unstoppable: true },
  "GET /centre/api/export": { act: "export", unstoppable: true },
  "GET /v1/subjects/:subject/export": {
    act: "export",
    detail: (request) => ({ stated: (request.query as { by: string }).by }),
    unstoppable: true,
  },
  "POST /v1/policies": {
    act: "policy-published",
    detail: (request) => ({ version: Number(field(request, "version")) }),
  },
  "PUT /v1/subjects/:subject/hold": {
    act: "hold-placed",
    detail: (request) => ({
      approver: approverOf(request) ?? "",
      reference: String(field(request, "reference")),
      until: Number(field(request, "until")),
    }),
  },
  "DELETE /v1/subjects/:subject/hold": {
    act: "hold-released",
    detail: (request) => ({
      approver: approverOf(request) ?? "",
      ...releasedReference(request),
    }),
    unstoppable: true,
  },
};

const CHANGING = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/**
 * Audits every route that is added to this scope, and to scopes within it, from now on. `about` tells whom a
 * request concerns that names nobody in its address.
 */
export function auditActs(
  scope: FastifyInstance,
  ports: Pick<HttpPorts, "audit" | "lookup">,
  by: (request: FastifyRequest) => AuditRole,
  about: (request: FastifyRequest) => SubjectTag | undefined = () => undefined,
): void {
  const begun = new WeakMap<FastifyRequest, AuditAct>();

  /** The line after an act, written once. */
  async function ended(request: FastifyRequest, outcome: AuditOutcome, status: number): Promise<void> {
    const act = begun.get(request);
    if (act === undefined) return;
    begun.delete(request);
    await ports.audit.note({ ...act, outcome, ...(outcome !== "done" && { detail: { status } }) });
  }

  scope.addHook("onRoute", (route) => {
    const { method, url, schema, handler } = route;
    if ((schema as { hide?: boolean } | undefined)?.hide === true) return;
    route.handler = async function (request, reply) {
      try {
        const answer = await handler.call(this, request, reply);
        if (isOverdue(request)) await ended(request, outcomeOf(reply), reply.statusCode);
        return answer;
      } catch (error) {
        if (isOverdue(request)) await ended(request, "failed", reply.statusCode);
        throw error;
      }
    };
    for (const one of [method].flat()) {
      if (CHANGING.has(one) && !Object.hasOwn(AUDITED, `${one} ${url}`)) {
        throw new Error(`${one} ${url} has no row in src/http/audited.ts`);
      }
    }
  });

  // Once the request is known to be well-formed, and before anything is done about it.
  scope.addHook("preHandler", async (request) => {
    const route = AUDITED[`${request.method} ${request.routeOptions.url}`];
    if (route === undefined || route === "keeps nothing") return;
    const params = request.params as { subject?: SubjectId; device?: DeviceId };
    const act: AuditAct = {
      act: typeof route.act === "function" ? route.act(request) : route.act,
      by: by(request),
      subject: params.subject === undefined ? about(request) : ports.lookup.subjectTag(params.subject),
      device: params.device && ports.lookup.deviceKey(params.device),
    };
    const asked: AuditAct = { ...act, outcome: "asked", detail: route.detail?.(request) };
    if (route.unstoppable) {
      begun.set(request, { ...act, of: await ports.audit.append(asked).catch(() => later(ports, asked)) });
    } else {
      begun.set(request, { ...act, of: await ports.audit.append(asked) });
    }
  });

  scope.addHook("onSend", async (request, reply, payload) => {
    const { statusCode } = reply;
    if (payload instanceof Readable) {
      // Not done before its last byte: what breaks off in the middle has failed.
      finished(payload, (error) => void ended(request, error ? "failed" : "done", statusCode));
    } else if (!isOverdue(request)) {
      await ended(request, outcomeOf(reply), statusCode);
    }
    return payload;
  });
}

/** Answered because its time was up. The act itself goes on, and nobody knows yet what becomes of it. */
export function isOverdue({ signal }: FastifyRequest): boolean {
  return signal.aborted && (signal.reason as { code?: string } | undefined)?.code === "FST_ERR_HANDLER_TIMEOUT";
}

async function later(ports: Pick<HttpPorts, "audit">, act: AuditAct): Promise<undefined> {
  await ports.audit.note(act);
  return undefined;
}

function outcomeOf({ statusCode }: FastifyReply): AuditOutcome {
  if (statusCode < 400) return "done";
  return statusCode < 500 ? "refused" : "failed";
}

function field(request: FastifyRequest, name: string): unknown {
  return (request.body as Record<string, unknown> | null | undefined)?.[name];
}

/** What nobody could place under today rests in no line either, whether there is such a hold or not. */
function releasedReference(request: FastifyRequest): AuditDetail {
  const { reference } = request.query as { reference: string };
  return statedReference.safeParse(reference).success ? { reference } : {};
}

/** On whose word the account service acts. */
function stated(request: FastifyRequest): AuditDetail {
  return { stated: String(field(request, "by")) };
}
