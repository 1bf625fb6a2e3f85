/**
 * The audit log of routes. A route that changes something, or hands out everything, names its act in `config.audit`. Each
 * request then writes one line before the act (`asked`, with the name of the token that asks) and one after it (`done`, `refused`, `failed`), also when the
 * answer did not wait for the end. The gateway does not start with a changing route that names none. When a line
 * cannot be written, the act is refused, except where it is a right of the data subject or cuts a service off: that goes
 * ahead, and its line follows.
 */
import { finished, Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { AuditAct, AuditActName, AuditDetail, AuditOutcome, AuditRole } from "../model/audit.ts";
import type { DeviceId, SubjectId, SubjectTag } from "../model/ids.ts";
import { tokenOf } from "./access.ts";
import type { HttpPorts } from "./ports.ts";

export interface AuditedAct {
  readonly act: AuditActName | ((request: FastifyRequest) => AuditActName);
  readonly detail?: (request: FastifyRequest) => AuditDetail;
  /** A right of the data subject, or an act after which less may leave: no fault of the log may stand in its way. */
  readonly unstoppable?: true;
}

const CHANGING = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/**
 * Audits every route that is added to this scope, and to scopes within it, from now on. `by` says who asks; `about`, whom
 * a request is about when its address does not say so.
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
    const { method, url, schema, config, handler } = route;
    if (schema?.hide === true) return;
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
    if (config?.audit === undefined && [method].flat().some((one) => CHANGING.has(one)))
      throw new Error(`${method} ${url} names no act for the audit log: config.audit is missing`);
  });

  // Once the request is known to be well-formed, and before anything is done about it.
  scope.addHook("preHandler", async (request) => {
    const { audit } = request.routeOptions.config;
    if (audit === undefined || audit === "keeps nothing") return;
    const params = request.params as { subject?: SubjectId; device?: DeviceId };
    const act: AuditAct = {
      act: typeof audit.act === "function" ? audit.act(request) : audit.act,
      by: by(request),
      subject: params.subject === undefined ? about(request) : ports.lookup.subjectTag(params.subject),
      device: params.device && ports.lookup.deviceKey(params.device),
    };
    const token = tokenOf(request)?.name;
    const said = audit.detail?.(request);
    const asked: AuditAct = { ...act, outcome: "asked", detail: token === undefined ? said : { ...said, token } };
    const written = ports.audit.append(asked);
    begun.set(request, { ...act, of: await (audit.unstoppable ? written.catch(() => later(ports, asked)) : written) });
  });

  scope.addHook("onSend", async (request, reply, payload) => {
    const { statusCode } = reply;
    if (payload instanceof Readable) {
      // Not done before its last byte: what ends in the middle has failed.
      finished(payload, (error) => void ended(request, error ? "failed" : "done", statusCode));
    } else if (!isOverdue(request)) {
      await ended(request, outcomeOf(reply), statusCode);
    }
    return payload;
  });
}

/** Answered because its time was up. The act itself still runs, and how it ends is not known yet. */
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

/** On whose word the account service acts. */
export function stated(request: FastifyRequest): AuditDetail {
  return { stated: (request.body as { by: string }).by };
}
