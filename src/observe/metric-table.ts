/**
 * Every metric, in one table. Labels take their values from closed sets, so that no series can identify a device, a
 * subject or a pseudonym. `docs/metrics.md` lists the same rows; a test compares them.
 */

import { DAMAGE_KINDS } from "../model/damage.ts";
import { ERASURE_ANSWERS, ERASURE_OUTCOMES, OPEN_ERASURE_STATES } from "../model/erasure.ts";
import type { ErrorCode } from "../model/errors.ts";
import {
  COMMAND_OUTCOMES,
  CONNECTION_REFUSALS,
  DEAD_LETTER_REASONS,
  type DeadLetterReason,
  DROP_REASONS,
  FORECAST_OUTCOMES,
  HTTP_REFUSALS,
  NETWORK_NOTICE_OUTCOMES,
  NOT_PERMITTED,
  PLACE_OUTCOMES,
  REFUSAL_REASONS,
  SECURITY_EVENTS,
} from "../model/outcome.ts";
import { PURPOSES, SERVICE_PURPOSES } from "../model/purposes.ts";
import { READINESS_REASONS } from "../model/readiness.ts";
import { SERVICE_ORIGINS } from "../model/service.ts";
import { SINKS } from "../model/sink.ts";
import { LOG_ALARMS, type LogAlarm } from "./log-alarms.ts";
import { counter, gauge, guarded, histogram, type MetricRow, summary } from "./metric-row.ts";
import { VERSION } from "./version.ts";

export const CLIENT_KINDS = ["device", "service"] as const;
export type ClientKind = (typeof CLIENT_KINDS)[number];

/** Of MQTT; 3.1 counts as 3.1.1. */
export const MQTT_VERSIONS = ["3.1.1", "5"] as const;
export type MqttVersion = (typeof MQTT_VERSIONS)[number];

export const SINK_FAILURES = ["SINK_UNAVAILABLE", "SINK_DENIED"] as const satisfies readonly ErrorCode[];
export type SinkFailure = (typeof SINK_FAILURES)[number];

export const SPAN_DELIVERIES = ["delivered", "failed", "dropped"] as const;
export type SpanDelivery = (typeof SPAN_DELIVERIES)[number];

export const CROWD_OUTCOMES = ["told", "withheld"] as const;

export const DEAD_LETTERS = Object.keys(DEAD_LETTER_REASONS) as DeadLetterReason[];

const LATENCY_S = [0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const BATCH_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
const WITHDRAWAL_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 5, 10];
const ERASURE_S = [0.5, 1, 2, 5, 10, 15, 30, 60, 300, 900, 3_600, 86_400];

export const METRICS = {
  buildInfo: {
    ...gauge("build_info", "1 for the version that runs and the Node.js that it runs on.", {
      version: [VERSION],
      node: [process.version],
    }),
    described: { node: "version of Node.js" },
  },
  ready: gauge(
    "ready",
    "One for each reason that `/readyz` can give: 0 while the gateway is not ready for this reason, else 1. It is ready when all are 1.",
    { reason: READINESS_REASONS },
  ),
  received: counter("messages_received_total", "Messages a device published, before any check."),
  admitted: counter("messages_admitted_total", "Messages made durable in the queue; what a PUBACK stands for."),
  recovered: counter(
    "messages_recovered_total",
    "Messages settled here that this run had not admitted: an earlier run's, another gateway's, or replayed dead letters.",
  ),
  handedOver: counter(
    "messages_handed_over_total",
    "Messages this run had admitted and another gateway has settled; counted there as recovered.",
  ),
  refused: counter(
    "messages_refused_total",
    "Messages dropped on purpose, before the queue or behind it. Without the token all reasons of consent and of holds are `not-permitted`.",
    { reason: [...REFUSAL_REASONS, NOT_PERMITTED] },
  ),
  stored: counter("messages_stored_total", "Messages the store has confirmed."),
  forwardedOnly: counter(
    "messages_forwarded_only_total",
    "Messages not stored but used for at least one service: handed over, taken into the weather of a crowd, noted for the network, or kept as the last scene of a device.",
  ),
  deadLettered: counter("messages_dead_lettered_total", "Messages that became dead letters.", {
    reason: DEAD_LETTERS,
  }),
  inFlight: gauge(
    "messages_in_flight",
    "received + recovered - refused - stored - forwarded_only - dead_lettered - handed_over: the books balance when this returns to 0.",
  ),
  forwarded: counter(
    "forwarded_total",
    "Packets handed to services of a purpose: one for each message for scene, one for each telling of a device for network, one of a crowd for weather.",
    { purpose: SERVICE_PURPOSES },
  ),
  currentTold: counter(
    "current_told_total",
    "Records handed to services that asked for what is current of a purpose, beside those of `consentry_forwarded_total`.",
    { purpose: SERVICE_PURPOSES },
  ),
  services: gauge("services", "Services there are, by what says so: the configuration file, or the registry.", {
    origin: SERVICE_ORIGINS,
  }),
  servicesEnded: counter(
    "services_ended_total",
    "Connections of services cut because the service was removed or its token revoked.",
  ),
  servicesNotCovered: gauge(
    "services_not_covered",
    "Services that the newest policy does not cover and that get nothing; one counts once for each such purpose.",
  ),
  forwardDropped: counter("forward_dropped_total", "Records a service missed because it reads too slowly."),
  servicesCutOff: counter(
    "services_cut_off_total",
    "Connections of services ended because they did not take in time what they were handed.",
  ),
  connections: gauge("connections", "Open MQTT connections.", { kind: CLIENT_KINDS }),
  logins: counter("logins_total", "Connections that were let in, by the version of MQTT that they speak.", {
    version: MQTT_VERSIONS,
  }),
  connectionsRefused: counter(
    "connections_refused_total",
    "Connections refused or ended before they were authenticated.",
    { reason: CONNECTION_REFUSALS },
  ),
  securityEvents: counter("security_events_total", "Attempts to do what is not allowed, and what could be one.", {
    kind: SECURITY_EVENTS,
  }),
  httpRefused: counter(
    "http_refused_total",
    "HTTP requests turned away for want of a token, a link or a session, or after too many wrong tokens.",
    { reason: HTTP_REFUSALS },
  ),
  commands: counter("commands_total", "Commands of scene services to devices.", { outcome: COMMAND_OUTCOMES }),
  forecasts: counter(
    "forecasts_total",
    "Forecasts of weather services. `delivered` counts a forecast once, however many devices get it.",
    { outcome: FORECAST_OUTCOMES },
  ),
  networkNotices: counter("network_notices_total", "Notices of network services to devices.", {
    outcome: NETWORK_NOTICE_OUTCOMES,
  }),
  presence: counter(
    "presence_messages_total",
    "Messages that the gateway made itself because a device came or went; they are among those received.",
  ),
  repeated: counter(
    "messages_repeated_total",
    "Admitted messages taken for earlier ones sent again: each overwrites the row of the first, and counts as stored like any other.",
  ),
  propertiesDropped: counter(
    "properties_dropped_total",
    "Parts of a `status` that were left out while the rest of the message went on.",
    { why: DROP_REASONS },
  ),
  clockReplaced: counter(
    "clock_replaced_total",
    "Messages whose device time lay outside the window and was replaced by the time of receipt.",
  ),
  pausedConnections: gauge("paused_connections", "Connections not being read because a bound was reached."),
  batches: counter("batches_total", "Sealed batches made durable."),
  batchMessages: histogram("batch_messages", "Messages in a sealed batch.", BATCH_SIZES),
  puback: histogram(
    "puback_seconds",
    "Receipt of a message to its PUBACK; a batch is observed once, weighted by its messages.",
    LATENCY_S,
  ),
  backlogMessages: gauge("backlog_messages", "Messages durable in the queue and not yet done."),
  backlogBytes: gauge("backlog_bytes", "Size of the queue in Redis, against `queue.backlogBytes`."),
  backlogLimit: gauge("backlog_limit_bytes", "`queue.backlogBytes`: with so much nothing more is acknowledged."),
  backlogOldest: gauge(
    "backlog_oldest_seconds",
    "Age of the oldest batch that is not done; 0 when there is none. Every few seconds.",
  ),
  deadLetters: gauge("dead_letters", "Dead letters not yet replayed or expired."),
  deadLetterBytes: gauge("dead_letter_bytes", "What they take of Redis, against `queue.deadLetterBytes`."),
  deadLetterLimit: gauge("dead_letter_limit_bytes", "`queue.deadLetterBytes`: with so much batches wait."),
  sinkWrite: histogram("sink_write_seconds", "One write to a store, answered or not.", LATENCY_S, { sink: SINKS }),
  sinkFailures: counter("sink_failures_total", "Writes that failed; each is retried or isolated, none is dropped.", {
    sink: SINKS,
    code: SINK_FAILURES,
  }),
  places: counter(
    "places_total",
    "Places that this gateway wrote into the store, and such as it took out again because too few people are left around them.",
    { outcome: PLACE_OUTCOMES },
  ),
  placesWaiting: gauge(
    "places_waiting",
    "Places that waited for a later step or for more people around them when this gateway last wrote places.",
  ),
  networkWaiting: gauge(
    "network_waiting",
    "Devices of which network services had not heard the newest when this gateway last told them: each waits for its minute, or for the next step.",
  ),
  currentWaiting: gauge(
    "current_waiting",
    "Connections of services that asked for what is current and were not told all of it yet.",
  ),
  cellActivityRows: counter(
    "cell_activity_rows_total",
    "Rows of `cell_activity` that the store has taken: one for each told cell and window.",
  ),
  weatherPeople: counter(
    "weather_people_total",
    "People whose readings waited at the end of a step: `told` found a crowd for at least one of them, `withheld` for none.",
    { outcome: CROWD_OUTCOMES },
  ),
  redisNotWritable: gauge("redis_not_writable", "1 while Redis answers and does not write; the log names the cause."),
  breakerOpen: gauge("breaker_open", "1 while writing pauses because the store keeps failing."),
  withdrawal: histogram(
    "withdrawal_seconds",
    "A withdrawal from request to answer: fence set, leases drained.",
    WITHDRAWAL_S,
  ),
  lease: gauge("lease_seconds", "`consent.leaseMs`: what a withdrawal waits at most for writes that have begun."),
  erasures: counter("erasures_total", "Erasures completed, by whether every store could delete the rows.", {
    outcome: ERASURE_OUTCOMES,
  }),
  erasure: histogram("erasure_seconds", "An erasure from its request to its receipt.", ERASURE_S),
  erasureAnswers: counter(
    "erasure_answers_total",
    "Answers of services that they have forgotten the names of an erasure.",
    { outcome: ERASURE_ANSWERS },
  ),
  erasuresOpen: gauge(
    "erasures_open",
    "Erasures that have no receipt yet, of all gateways together; `held` by a legal hold, which without the token counts as `running`. Every few seconds.",
    { state: OPEN_ERASURE_STATES },
  ),
  erasureOldest: gauge(
    "erasure_oldest_seconds",
    "Since when the oldest erasure has waited that is neither held nor has a receipt; 0 when there is none.",
  ),
  servicesUnanswered: gauge(
    "erasure_services_unanswered",
    "Services that have not said yet that they have forgotten the names of an erasure, once these have left; one counts once for each erasure.",
  ),
  erasureDigests: counter(
    "erasure_digests_total",
    "Digests of names to forget that were sent to a service for the first time, by this gateway.",
    { purpose: SERVICE_PURPOSES },
  ),
  erasureNoticesWaiting: gauge(
    "erasure_notices_waiting",
    "People whose names to forget wait for the digest of a service; one counts once for each service.",
  ),
  erasureNoticesOverdue: gauge(
    "erasure_notices_overdue_seconds",
    "For how long the first of them should have left; 0 when none is late.",
  ),
  holdsOpen: guarded(gauge("holds_open", "People of whom something is under a legal hold. Every minute.")),
  holdOldest: guarded(
    gauge("hold_oldest_seconds", "Since when the oldest legal hold has stood; 0 when there is none."),
  ),
  auditLate: counter(
    "audit_late_total",
    "Audit lines that could not be written at once; each is tried again until it stands.",
  ),
  damaged: counter(
    "damaged_records_total",
    "Damaged records of one person that work for others went on without; one counts each time it is met.",
    { kind: DAMAGE_KINDS },
  ),
  backupDamaged: gauge(
    "backup_damaged_records",
    "Damaged records found by the last backup that this gateway took; they are in it as they are.",
    { kind: DAMAGE_KINDS },
  ),
  devicesSuspended: guarded(
    gauge(
      "devices_suspended",
      "Devices whose consent to a purpose does not count until a newer policy version is agreed to; counted at publishing and at each upkeep.",
      { purpose: PURPOSES },
    ),
  ),
  peopleToAsk: gauge(
    "people_to_ask",
    "People whose consent to a purpose does not count until they agree to a newer policy version, in whole tens: 0 below ten. Counted as the devices are.",
  ),
  notices: counter("notices_total", "Policy notices handed to connected devices."),
  backupAge: gauge("backup_age_seconds", "Age of the newest whole backup in `backup.dir`; +Inf while there is none."),
  backupInterval: gauge("backup_interval_seconds", "`backup.everyHours`; 0: this gateway takes none by itself."),
  certificateExpires: gauge(
    "certificate_expires_timestamp_seconds",
    "Unix time at which the certificate of MQTT over TLS, or the first of its chain, is good no longer; 0 where there is none.",
  ),
  logAlarms: counter("log_alarms_total", "Lines in the log that an operator has to see, by what they say.", {
    alarm: Object.keys(LOG_ALARMS) as LogAlarm[],
  }),
  traceSpans: counter(
    "trace_spans_total",
    "Spans of traces: `delivered` to the collector, `failed` with a request that it did not take, or `dropped` because too many waited.",
    { outcome: SPAN_DELIVERIES },
  ),
  eventLoopDelay: summary(
    "event_loop_delay_seconds",
    "Delay of the event loop: quantiles of the last 5 s, sum and count of all samples since the start.",
    ["0.5", "0.99", "1"],
  ),
} as const satisfies Record<string, MetricRow>;
export type MetricName = keyof typeof METRICS;
