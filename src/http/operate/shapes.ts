/**
 * What the operator's console is answered: counts, ages, states and the names that the configuration gives. No shape in here has a
 * place for a device, a subject or a pseudonym. A test sends these shapes through the routes and the stream.
 *
 * Everything below `/operate/`, JSON both ways. What changes something needs the header `x-consentry-console: 1`, and every act
 * a `confirm` in its body that says what it does (`CONFIRM`).
 *
 *   GET    /operate/                       the page; files beside it by their name
 *   POST   /operate/session                signIn → session          201; 401 unauthorized, 403 forbidden, 429 too-many-failures, 429 too-many-sessions
 *   DELETE /operate/session                                          204
 *   GET    /operate/api/session            → session                 401 session-ended, as every route below
 *   POST   /operate/api/stay               {} → session              for a person who is there: reading alone prolongs nothing
 *   GET    /operate/api/overview           → overview                the last hour, and all that is so now
 *   GET    /operate/api/live               → events                  `frame` (frame), `end` (streamEnd); 429 too-many-watchers
 *   GET    /operate/api/letters            → letters
 *   POST   /operate/api/letters/replay     replay → replayed         409 letter-taken: gone, or another operator has it, or it must stay
 *   POST   /operate/api/refusals           deviceAsked → refusals    the id is in no address and in no log
 *   GET    /operate/api/cells              → cells
 *   GET    /operate/api/keys               → keyAges
 *   POST   /operate/api/reload             reload → reloaded         422 config-invalid
 *   GET    /operate/api/traces             → traceList               those of this session
 *   POST   /operate/api/traces             traceAsked → trace        201; 429 too-many-traces
 *   GET    /operate/api/traces/:id         → trace                   404 unknown-trace
 *   DELETE /operate/api/traces/:id                                   204; ends it at once and forgets it
 *
 * Errors are problems as everywhere (`code` decides); 503 `unavailable` while Redis does not answer, also where it could say that
 * the token of the session was revoked. What only reads this gateway's memory goes on meanwhile.
 */
import { z } from "zod";
import { timestampMs } from "../../model/consent-record.ts";
import {
  SAMPLED,
  type Sampled,
  SEVERITIES,
  TRACE_ENDS,
  TRACE_STEPS,
  type TraceOutcome,
  type TraceStep,
} from "../../model/console.ts";
import { ERASURE_OUTCOMES, ERASURE_STATES, ERASURE_STEPS } from "../../model/erasure.ts";
import {
  DEAD_LETTER_REASONS,
  type DeadLetterReason,
  DROP_REASONS,
  OPEN_REFUSALS,
  REFUSAL_REASONS,
} from "../../model/outcome.ts";
import { PURPOSES, SERVICE_PURPOSES } from "../../model/purposes.ts";
import { READINESS_REASONS } from "../../model/readiness.ts";
import { SERVICE_ORIGINS } from "../../model/service.ts";
import { deviceId } from "../fields.ts";

/** What `confirm` must say, word for word: the page asks with the same words. */
export const CONFIRM = {
  replay: (id: string) => `replay dead letter ${id}`,
  replayAll: "replay all dead letters",
  reload: "read the configuration again",
  trace: "trace this device for ten minutes",
} as const;

const count = z.number().int().nonnegative();
const amount = z.number().nonnegative();
const deadLetterReason = z.enum(Object.keys(DEAD_LETTER_REASONS) as [DeadLetterReason, ...DeadLetterReason[]]);
/** What a person or a court has decided is one reason: beside a trace of a device it would be theirs. */
const openReason = z.enum(OPEN_REFUSALS);
/** Of a keyed digest: the same on two gateways means the same, and it leads back to nothing. */
const digest = z.string().regex(/^[0-9a-f]{8,16}$/);

// The way in.

export const signIn = z.strictObject({ token: z.string().min(1).max(512) });

export const session = z.strictObject({
  /** Of the token; absent: that of the configuration. */
  name: z.string().optional(),
  now: timestampMs,
  /** Ends by itself then, unless the person says that they stay. */
  endsAt: timestampMs,
  /** However often. */
  endsAtLatest: timestampMs,
});
export type Session = z.infer<typeof session>;

// What is so now, and was in the last hour.

/** `null`: nothing was acknowledged in that time. */
const figure = z.number().nullable();
const figures = Object.fromEntries(SAMPLED.map((name) => [name, figure])) as Record<Sampled, typeof figure>;
const columns = Object.fromEntries(SAMPLED.map((name) => [name, z.array(figure)])) as Record<
  Sampled,
  z.ZodArray<typeof figure>
>;

export const sample = z.strictObject({
  at: timestampMs,
  ...figures,
  /** Per second, of those reasons that there were. */
  refusedBy: z.partialRecord(openReason, amount),
});
export type Sample = z.infer<typeof sample>;

/** Columns of the same length, the oldest first. */
export const history = z.strictObject({
  everyMs: count,
  at: z.array(timestampMs),
  ...columns,
  /** Those reasons that there were in the hour. */
  refusedBy: z.partialRecord(openReason, z.array(amount)),
});
export type History = z.infer<typeof history>;

const books = z.strictObject({
  received: count,
  recovered: count,
  admitted: count,
  refused: z.record(openReason, count),
  stored: count,
  forwardedOnly: count,
  deadLettered: z.record(deadLetterReason, count),
  handedOver: count,
  /** What is left of the others: in progress, and 0 when all is quiet. */
  inFlight: z.number().int(),
});

export const alarm = z.strictObject({
  /** Of the rule, as in docs/operations.md and deploy/prometheus. */
  rule: z.string(),
  severity: z.enum(SEVERITIES),
  summary: z.string(),
  since: timestampMs,
});
export type Alarm = z.infer<typeof alarm>;

/** Parts of the configuration and kinds of key by name, each under a digest. */
const digests = z.record(z.string(), digest);
export const gateway = z.strictObject({
  /** A random mark of the process. */
  id: z.string(),
  self: z.boolean(),
  /** Absent: a version that tells none. */
  version: z.string().optional(),
  startedAt: timestampMs.optional(),
  ready: z.boolean().optional(),
  reasons: z.array(z.enum(READINESS_REASONS)),
  keys: digests,
  configuration: digests,
  /** What is another than with the gateway that answers: `version`, `keys.queue.q0001`, `configuration.mqtt`. */
  differs: z.array(z.string()),
});
export type GatewayShown = z.infer<typeof gateway>;

export const service = z.strictObject({
  name: z.string(),
  origin: z.enum(SERVICE_ORIGINS),
  recipient: z.string(),
  region: z.string(),
  purposes: z.array(
    z.strictObject({
      purpose: z.enum(SERVICE_PURPOSES),
      covered: z.boolean().describe("By the newest policy; else it gets nothing for it."),
      listening: z.boolean().describe("Connected here, and subscribed."),
    }),
  ),
  /** To this gateway. */
  connections: count,
  /** Handed over and not taken yet. */
  waitingBytes: count,
  /** Since this gateway started. */
  dropped: count,
  cutOff: count,
});
export type ServiceShown = z.infer<typeof service>;

/** Since this gateway started. */
export const dialect = z.strictObject({
  name: z.string(),
  own: z.boolean().describe("From a file of the operator."),
  /** Messages that were read and went on. */
  taken: count,
  refused: count,
  /** What there is deliberately nothing to keep of. */
  ignored: count,
  /** Parts left out of what was taken. */
  dropped: count,
});
export type DialectShown = z.infer<typeof dialect>;

const consent = z.strictObject({
  policyVersion: count.optional(),
  /** As of `countedAt`; in tens, and `null` below ten: a smaller number could be one person. */
  purposes: z.array(
    z.strictObject({
      purpose: z.enum(PURPOSES),
      consented: count.nullable(),
      suspended: count.nullable(),
    }),
  ),
  countedAt: timestampMs.optional(),
  /** Through this gateway since it started; in tens as well. */
  withdrawals: count.nullable(),
  /** 99 % of them took at most that: the bound of a bucket, and `null` below ten. */
  withdrawalP99Ms: figure,
});

/** Of all gateways together. */
const rights = z.strictObject({
  erasures: z.strictObject({
    running: count,
    held: count,
    /** Of those that could go on; 0 when there is none. */
    oldestSeconds: amount,
    /** The oldest first, 50 at most. */
    open: z.array(
      z.strictObject({
        state: z.enum(ERASURE_STATES),
        step: z.enum(ERASURE_STEPS).optional(),
        ageSeconds: amount,
        /** Why it waits. */
        code: z.string().optional(),
      }),
    ),
    completed: z.record(z.enum(ERASURE_OUTCOMES), count),
    servicesUnanswered: count,
    noticesWaiting: count,
    noticesOverdueSeconds: amount,
  }),
  holds: z.strictObject({ open: count, oldestSeconds: amount }),
});

export const frame = z.strictObject({
  version: z.string(),
  startedAt: timestampMs,
  ready: z.boolean(),
  reasons: z.array(z.enum(READINESS_REASONS)),
  sample,
  books,
  backlogLimitBytes: count,
  deadLetterBytes: count,
  deadLetterLimitBytes: count,
  /** What a PUBACK stands for. */
  durability: z.enum(["none", "everysec", "fsync"]).optional(),
  redisWrites: z.boolean(),
  store: z.strictObject({ available: z.boolean(), pausing: z.boolean(), failures: count }),
  backupAgeSeconds: amount.nullable().describe("`null`: there is none."),
  alarms: z.array(alarm),
  gateways: z.array(gateway),
  services: z.array(service),
  dialects: z.array(dialect),
  consent,
  rights,
  /** Traces that run on this gateway, of all sessions. */
  traces: count,
});
export type Frame = z.infer<typeof frame>;

export const overview = z.strictObject({ history, frame });
export type Overview = z.infer<typeof overview>;

const STREAM_ENDS = ["session", "stopping"] as const;
const streamEnd = z.strictObject({ why: z.enum(STREAM_ENDS) });
export type StreamEnd = z.infer<typeof streamEnd>;

// Dead letters.

/** Times are those of the minute: a finer one would be that of a line of a trace. */
export const letters = z.strictObject({
  total: count,
  byReason: z.array(
    z.strictObject({ reason: deadLetterReason, letters: count, messages: count, oldestAt: timestampMs }),
  ),
  /** The oldest first, 200 at most. `at` is 0 where the letter cannot be read. */
  letters: z.array(z.strictObject({ id: z.string(), reason: deadLetterReason, at: z.number().int(), messages: count })),
});
export type Letters = z.infer<typeof letters>;

const letterId = z.string().regex(/^[0-9a-f]{24}$/);
/** `confirm`: `CONFIRM.replay(id)`, or for all of them `CONFIRM.replayAll`. */
export const replay = z.strictObject({ id: z.union([letterId, z.literal("all")]), confirm: z.string().max(64) });
/** `left`: of those that there were, whatever the reason. */
export const replayed = z.strictObject({ done: count, left: count });

// One device.

/** The id as /v1 takes it. It is hashed at once, and neither kept nor said again. */
export const deviceAsked = z.strictObject({ device: deviceId });

export const refusals = z.strictObject({
  /** The last 20 of the last hour, the oldest first, as this gateway remembers them. A legal hold shows in none, and what a person has decided not by its name. */
  refusals: z.array(
    z.strictObject({
      at: timestampMs,
      reason: z.enum([...REFUSAL_REASONS, ...DROP_REASONS, "takeover", "not-consented"]),
      rule: z.number().int().positive().optional(),
      path: z.string().optional(),
    }),
  ),
});

/**
 * Messages that may not be used are in no trace: nothing is done with them, not even this. So a device of which nothing shows is away,
 * says nothing, or says what may not be used. A message that is stored, forwarded or both has a line for each.
 */
const traceLine = z.strictObject({
  at: timestampMs,
  step: z.enum(Object.keys(TRACE_STEPS) as [TraceStep, ...TraceStep[]]),
  outcome: z.enum(Object.values(TRACE_STEPS).flat() as [TraceOutcome, ...TraceOutcome[]]),
  /** Of a refusal. */
  reason: z.enum(REFUSAL_REASONS).optional(),
  letter: deadLetterReason.optional(),
  /** From the receipt to the acknowledgement. */
  ms: amount.optional(),
});

export const trace = z.strictObject({
  id: z.string(),
  startedAt: timestampMs,
  endsAt: timestampMs,
  /** Absent: it runs. `changed`: the device was bound, or given a token, again. */
  ended: z.enum(TRACE_ENDS).optional(),
  lines: z.array(traceLine),
});
export type TraceShown = z.infer<typeof trace>;
export const traceList = z.strictObject({ traces: z.array(trace.omit({ lines: true })) });
/** `confirm`: `CONFIRM.trace`. */
export const traceAsked = z.strictObject({ device: deviceId, confirm: z.string().max(64) });

// The rest.

/** Of which the store is told in rows of `cell_activity`, and no finer. */
export const cells = z.strictObject({
  cells: z.array(
    z.strictObject({
      /** Of the H3 grid. */
      cell: z.string(),
      center: z.tuple([z.number(), z.number()]).describe("Latitude, longitude."),
      corners: z.array(z.tuple([z.number(), z.number()])),
      /** As the newest row says it, which has noise; in tens, and `null` below ten or when no row came lately. */
      people: count.multipleOf(10).nullable(),
    }),
  ),
});
export type Cells = z.infer<typeof cells>;

export const keyAges = z.strictObject({
  certificates: z.array(
    z.strictObject({ option: z.string(), notBefore: timestampMs, notAfter: timestampMs, fingerprint: z.string() }),
  ),
  keys: z.array(z.strictObject({ id: z.string(), role: z.string(), fingerprint: z.string(), createdAt: timestampMs })),
});
export type KeyAges = z.infer<typeof keyAges>;

/** `confirm`: `CONFIRM.reload`. */
export const reload = z.strictObject({ confirm: z.string().max(64) });
export const reloaded = z.strictObject({ changed: z.array(z.string()), needRestart: z.array(z.string()) });
