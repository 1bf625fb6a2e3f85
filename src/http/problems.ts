/**
 * Every error the HTTP interface can answer with, in one table, as problem details of RFC 9457.
 * A problem names codes and fields of our own contract; of what the request said it repeats a mistyped name at most (`field-errors.ts`).
 */
import type { FastifyReply } from "fastify";
import { z } from "zod";

interface ProblemRow {
  readonly status: number;
  readonly title: string;
  /** When to come back, in seconds, for what passes by itself. */
  readonly retryAfter?: number;
}

export const PROBLEMS = {
  "invalid-request": { status: 400, title: "The request does not match the contract" },
  "invalid-json": { status: 400, title: "The body is not acceptable JSON" },
  "policy-invalid": { status: 400, title: "The body is not a policy document" },
  unauthorized: { status: 401, title: "A valid bearer token is required" },
  "link-invalid": { status: 401, title: "This is not a link of this gateway, or it was altered" },
  "session-ended": { status: 401, title: "The session is over, or there is none; a new link opens another one" },
  forbidden: { status: 403, title: "The token is good, and not for this: it has not the scope that the route needs" },
  "not-from-the-page": { status: 403, title: "Only the page itself may ask for this" },
  "guardian-needed": { status: 403, title: "For a minor only a guardian can agree to more" },
  "guardian-mismatch": { status: 403, title: "Another guardian is on file for this subject" },
  "guardian-not-on-file": { status: 403, title: "No verified guardian is on file who could act for this subject" },
  "still-a-minor": {
    status: 403,
    title: "The subject is a minor on record; only the account service, with evidence, can say that they came of age",
  },
  "not-confirmed": { status: 400, title: "The request does not say what it does, word for word: `confirm`" },
  "unknown-route": { status: 404, title: "There is nothing at this address" },
  "unknown-subject": { status: 404, title: "Nothing is held about this subject" },
  "unknown-policy": { status: 404, title: "There is no such policy version" },
  "unknown-erasure": { status: 404, title: "There is no erasure of this id" },
  "device-not-bound": { status: 404, title: "The device is not bound to this subject" },
  "not-a-child": { status: 404, title: "The device is no child of this hub" },
  "unknown-service": { status: 404, title: "There is no service of this name" },
  "unknown-trace": { status: 404, title: "This session has no trace of this id" },
  "unknown-token": { status: 404, title: "The service has no token of this number" },
  "hold-unknown": { status: 404, title: "No hold of this reference stands or is proposed" },
  "method-not-allowed": { status: 405, title: "The address exists, the method does not" },
  "request-timeout": { status: 408, title: "The request did not arrive in time" },
  conflict: { status: 409, title: "Another writer was faster; try again", retryAfter: 1 },
  "letter-taken": { status: 409, title: "The dead letter is gone, must stay, or someone else is putting it back" },
  "changed-meanwhile": { status: 409, title: "The record changed since it was read; look at it again" },
  "session-closed": { status: 409, title: "An erasure was asked for in this session; it can only be followed" },
  "behind-hub": { status: 409, title: "The device is behind a hub, which speaks for it" },
  "not-bound": { status: 409, title: "The hub or the device is bound to no subject" },
  "other-subject": {
    status: 409,
    title: "The device is another subject's than the hub, and nothing says that it may be",
  },
  "alias-taken": { status: 409, title: "Another child of this hub has this alias" },
  "under-another-hub": { status: 409, title: "Another hub speaks for the device; remove it there first" },
  "is-hub": { status: 409, title: "The device is a hub with children of its own" },
  itself: { status: 409, title: "A hub is no child of its own" },
  "too-many-children": { status: 409, title: "The hub has as many children as it may" },
  "service-in-file": { status: 409, title: "The configuration file names this service; it changes there alone" },
  "two-tokens": { status: 409, title: "The service has two tokens; one must be revoked before another is issued" },
  "recipient-differs": {
    status: 409,
    title: "Under this name data went to another recipient, or to one of another relation; take another name",
  },
  "too-many-services": { status: 409, title: "There are as many services as there may be" },
  "policy-superseded": { status: 409, title: "Consent to this policy version no longer counts" },
  "policy-version-taken": { status: 409, title: "This version is published already and cannot change" },
  "policy-version-gap": { status: 409, title: "Only the next version can be published" },
  "record-full": {
    status: 409,
    title: "This record has as many entries as it may; it can only be withdrawn or erased",
  },
  "idempotency-key-in-use": {
    status: 409,
    title: "A request with this Idempotency-Key is still being worked on; ask again for its answer",
    retryAfter: 1,
  },
  "hold-terms-differ": { status: 409, title: "Another approver proposed this hold with other terms" },
  "link-expired": { status: 410, title: "The link is too old" },
  "link-used": { status: 410, title: "The link was used before, and each is good once" },
  "revision-differs": { status: 412, title: "The service is not as the request expects it; look at it again" },
  "precondition-failed": { status: 412, title: "It is in another state than the request asks for" },
  "payload-too-large": { status: 413, title: "The body is larger than allowed" },
  "uri-too-long": { status: 414, title: "The address is longer than allowed" },
  "unsupported-media-type": { status: 415, title: "The body must be application/json" },
  "unsupported-coding": { status: 415, title: "The body must come as it is, without a Content-Encoding" },
  "expectation-failed": { status: 417, title: "Nothing but 100-continue can be expected" },
  "idempotency-key-reused": { status: 422, title: "This Idempotency-Key came with another request before" },
  "policy-version-unknown": { status: 422, title: "Consent refers to a policy version that was never published" },
  "config-invalid": {
    status: 422,
    title: "The configuration is not as it must be; nothing has changed, and `errors` says what is wrong",
  },
  "dialect-unknown": { status: 422, title: "The gateway knows no dialect of this name" },
  "service-not-covered": {
    status: 422,
    title: "The newest policy does not cover the service as it is described, or its categories do not fit its purposes",
  },
  "purpose-not-in-policy": { status: 422, title: "The policy version does not offer this purpose or category" },
  "expiry-out-of-range": { status: 422, title: "The end of consent must lie ahead, and within ten years" },
  "hold-too-long": { status: 422, title: "The end of a hold must lie ahead, and within the longest time configured" },
  "guardian-unverified": { status: 422, title: "No verified guardian is on file, so their verification is needed" },
  "link-too-large": { status: 422, title: "Too many or too long names of devices for one link" },
  "policy-change-understated": { status: 422, title: "The terms widen, so the change is material" },
  "headers-too-large": { status: 431, title: "The header fields are larger than allowed" },
  "too-many-failures": { status: 429, title: "Too many wrong tokens came from this address", retryAfter: 5 },
  "too-many-at-once": { status: 429, title: "Too many requests of this person are in progress", retryAfter: 1 },
  "too-many-sessions": { status: 429, title: "There are as many sessions as there may be", retryAfter: 60 },
  "too-many-traces": { status: 429, title: "As many devices are traced as may be at a time", retryAfter: 60 },
  "too-many-watchers": { status: 429, title: "Too many look on at the moment", retryAfter: 10 },
  "too-many-exports": {
    status: 429,
    title: "An export for this subject, or enough others, are in progress",
    retryAfter: 10,
  },
  internal: { status: 500, title: "The gateway failed" },
  unavailable: { status: 503, title: "The consent store does not answer", retryAfter: 2 },
  "not-writable": { status: 503, title: "The consent store answers and takes no changes at the moment", retryAfter: 5 },
  "not-drained": {
    status: 503,
    title: "Recorded, but earlier batches are still being written; ask again before relying on it",
    retryAfter: 1,
  },
  "centre-busy": {
    status: 503,
    title: "The privacy centre has as much to do as it may; come back in a moment",
    retryAfter: 2,
  },
  "store-unavailable": { status: 503, title: "The store of device data does not answer", retryAfter: 5 },
  "store-unreadable": { status: 503, title: "The store of device data does not let the gateway read" },
  timeout: { status: 503, title: "The answer took too long", retryAfter: 2 },
} as const satisfies Record<string, ProblemRow>;
export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_TYPE = "application/problem+json";

const fieldError = z.strictObject({
  path: z
    .string()
    .describe(
      "Where in the request: `body.devices.0`. Of what the contract does not name, `*`, or for a key its place in the object, `#2`.",
    ),
  code: z.string().describe("What is wrong there."),
});
const problem = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string().describe("Decide by this."),
    errors: z.array(fieldError.meta({ title: "FieldError" })).optional(),
  })
  .meta({ title: "Problem" });
type Problem = z.infer<typeof problem>;
export type FieldError = NonNullable<Problem["errors"]>[number];

export function problemOf(code: ProblemCode, errors?: FieldError[]): Problem {
  const { status, title } = PROBLEMS[code];
  return { type: `urn:consentry:problem:${code}`, title, status, code, ...(errors && { errors }) };
}

/** Sends the problem; the reply is finished afterwards. */
export function refuse(reply: FastifyReply, code: ProblemCode, errors?: FieldError[]): FastifyReply {
  const { status, retryAfter }: ProblemRow = PROBLEMS[code];
  if (retryAfter !== undefined) reply.header("retry-after", retryAfter);
  const body = Buffer.from(JSON.stringify(problemOf(code, errors)));
  return reply.code(status).type(PROBLEM_TYPE).send(body);
}

type ProblemResponse = { description: string; content: { [PROBLEM_TYPE]: { schema: z.ZodType } } };

/** Problems as the OpenAPI description has them: grouped by status, each with an example. */
export function problemResponses(...codes: readonly ProblemCode[]): Record<number, ProblemResponse> {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codes) {
    const { status } = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(" "),
        content: { [PROBLEM_TYPE]: { schema: problem.meta({ examples: group.map((code) => problemOf(code)) }) } },
      },
    ]),
  );
}

/** What every route behind a token can answer. */
export const COMMON_PROBLEMS = [
  "invalid-request",
  "unauthorized",
  "too-many-failures",
  "unavailable",
  "not-writable",
  "timeout",
  "internal",
] as const;
/** What every route with a body can answer as well. */
export const BODY_PROBLEMS = [
  "invalid-json",
  "payload-too-large",
  "unsupported-media-type",
  "unsupported-coding",
] as const;
