/**
 * The books and everything else that is counted. On the message path a count is one addition to a plain number; names
 * and labels are added at scrape time.
 */

import { Registry } from "prom-client";
import { DAMAGE_KINDS, type DamageKind } from "../model/damage.ts";
import {
  ERASURE_ANSWERS,
  ERASURE_OUTCOMES,
  type ErasureAnswer,
  type ErasureOutcome,
  OPEN_ERASURE_STATES,
  type OpenErasureState,
} from "../model/erasure.ts";
import type { ErrorCode } from "../model/errors.ts";
import {
  COMMAND_OUTCOMES,
  CONNECTION_REFUSALS,
  type CommandOutcome,
  type ConnectionRefusal,
  DROP_REASONS,
  type DropReason,
  FORECAST_OUTCOMES,
  type ForecastOutcome,
  HTTP_REFUSALS,
  type HttpRefusal,
  NETWORK_NOTICE_OUTCOMES,
  type NetworkNoticeOutcome,
  openRefused,
  PLACE_OUTCOMES,
  type PlaceOutcome,
  SECURITY_EVENTS,
  type SecurityEvent,
} from "../model/outcome.ts";
import { PURPOSES, type Purpose, SERVICE_PURPOSES, type ServicePurpose } from "../model/purposes.ts";
import { READINESS_REASONS, type ReadinessReason } from "../model/readiness.ts";
import { SERVICE_ORIGINS, type ServiceOrigin } from "../model/service.ts";
import { SINKS, type SinkName } from "../model/sink.ts";
import { BookCounts, zeros } from "./books.ts";
import { Distribution } from "./distribution.ts";
import { EventLoopWatch } from "./event-loop.ts";
import { LOG_ALARMS, type LogAlarm } from "./log-alarms.ts";
import {
  CLIENT_KINDS,
  type ClientKind,
  CROWD_OUTCOMES,
  METRICS,
  type MetricName,
  MQTT_VERSIONS,
  type MqttVersion,
  SINK_FAILURES,
  type SinkFailure,
  SPAN_DELIVERIES,
  type SpanDelivery,
} from "./metric-table.ts";
import { ProcessFigures } from "./process-figures.ts";
import { Refreshes } from "./refreshes.ts";
import { by, registerAll, type Sources, single } from "./scrape.ts";
import { VERSION } from "./version.ts";

/** Gauges whose value another part provides. `breakerOpen` is 0 or 1. */
const GAUGES = [
  "pausedConnections",
  "backlogMessages",
  "backlogBytes",
  "backlogLimit",
  "backlogOldest",
  "deadLetters",
  "deadLetterBytes",
  "deadLetterLimit",
  "breakerOpen",
  "redisNotWritable",
  "servicesNotCovered",
  "lease",
  "erasureOldest",
  "servicesUnanswered",
  "erasureNoticesWaiting",
  "erasureNoticesOverdue",
  "holdsOpen",
  "holdOldest",
  "backupAge",
  "backupInterval",
  "certificateExpires",
  "peopleToAsk",
  "placesWaiting",
  "networkWaiting",
  "currentWaiting",
] as const;
export type GaugeName = (typeof GAUGES)[number];

export class Metrics extends BookCounts {
  readonly #eventLoopDelayMs: number;
  readonly #process = new ProcessFigures();
  /** What anybody may read, and what the token lets one read. */
  readonly #views = { open: new Registry(), full: new Registry() };
  readonly #eventLoop = new EventLoopWatch();
  readonly #refreshes = new Refreshes();
  readonly #all: Sources;

  readonly #forwarded = zeros(SERVICE_PURPOSES);
  readonly #currentTold = zeros(SERVICE_PURPOSES);
  readonly #connections = zeros(CLIENT_KINDS);
  readonly #logins = zeros(MQTT_VERSIONS);
  readonly #connectionsRefused = zeros(CONNECTION_REFUSALS);
  readonly #securityEvents = zeros(SECURITY_EVENTS);
  readonly #httpRefused = zeros(HTTP_REFUSALS);
  readonly #propertiesDropped = zeros(DROP_REASONS);
  readonly #commands = zeros(COMMAND_OUTCOMES);
  readonly #forecasts = zeros(FORECAST_OUTCOMES);
  readonly #networkNotices = zeros(NETWORK_NOTICE_OUTCOMES);
  readonly #sinkFailures = Object.fromEntries(SINKS.map((sink) => [sink, zeros(SINK_FAILURES)])) as Record<
    SinkName,
    Record<SinkFailure, number>
  >;
  readonly #gauges = zeros(GAUGES);
  readonly #traceSpans = zeros(SPAN_DELIVERIES);
  readonly #logAlarms = zeros(Object.keys(LOG_ALARMS) as LogAlarm[]);
  #notReady: readonly ReadinessReason[] = [];
  readonly #places = zeros(PLACE_OUTCOMES);
  #forwardDropped = 0;
  #servicesCutOff = 0;
  #servicesEnded = 0;
  readonly #services = zeros(SERVICE_ORIGINS);
  #clockReplaced = 0;
  #repeated = 0;
  #presenceTold = 0;
  #auditLate = 0;
  #cellActivityRows = 0;
  readonly #weatherPeople = zeros(CROWD_OUTCOMES);
  readonly #erasures = zeros(ERASURE_OUTCOMES);
  readonly #erasureAnswers = zeros(ERASURE_ANSWERS);
  readonly #erasureDigests = zeros(SERVICE_PURPOSES);
  readonly #erasuresOpen = zeros(OPEN_ERASURE_STATES);
  readonly #erasure = new Distribution(METRICS.erasure.buckets);
  readonly #damaged = zeros(DAMAGE_KINDS);
  readonly #backupDamaged = zeros(DAMAGE_KINDS);
  readonly #devicesSuspended = zeros(PURPOSES);
  #notices = 0;
  #batches = 0;
  readonly #batchMessages = new Distribution(METRICS.batchMessages.buckets);
  readonly #puback = new Distribution(METRICS.puback.buckets);
  readonly #withdrawal = new Distribution(METRICS.withdrawal.buckets);
  readonly #sinkWrite = Object.fromEntries(
    SINKS.map((sink) => [sink, new Distribution(METRICS.sinkWrite.buckets)]),
  ) as Record<SinkName, Distribution>;

  /** `eventLoopDelayMs` is the delay from which `eventLoopDelayed` returns true. */
  constructor(options: { readonly eventLoopDelayMs: number }) {
    super();
    this.#eventLoopDelayMs = options.eventLoopDelayMs;
    this.#all = this.#sources();
  }

  /** The series of one metric as they are now, for those who may read all of them. */
  figure<Name extends MetricName>(name: Name): ReturnType<Sources[Name]> {
    return this.#all[name]() as ReturnType<Sources[Name]>;
  }

  /** Brings the gauges of other parts up to date, as before a scrape. Never rejects. */
  refresh(): Promise<void> {
    return this.#refreshes.run();
  }

  /** Begins to watch the process and the event loop, and makes `text` complete; counting works before. */
  async start(): Promise<void> {
    registerAll(this.#views.full, this.#all, true);
    registerAll(this.#views.open, { ...this.#all, ...this.#openSources() }, false);
    this.#process.start();
    this.#eventLoop.start();
  }

  async stop(): Promise<void> {
    this.#eventLoop.stop();
    this.#process.stop();
    for (const registry of Object.values(this.#views)) registry.clear();
  }

  forwarded(purpose: ServicePurpose, count: number): void {
    this.#forwarded[purpose] += count;
  }

  currentTold(purpose: ServicePurpose, count: number): void {
    this.#currentTold[purpose] += count;
  }

  forwardDropped(count: number): void {
    this.#forwardDropped += count;
  }

  serviceCutOff(): void {
    this.#servicesCutOff += 1;
  }

  serviceEnded(): void {
    this.#servicesEnded += 1;
  }

  servicesKnown(origin: ServiceOrigin, count: number): void {
    this.#services[origin] = count;
  }

  connected(kind: ClientKind, change: 1 | -1): void {
    this.#connections[kind] += change;
  }

  loggedIn(version: MqttVersion): void {
    this.#logins[version] += 1;
  }

  connectionRefused(reason: ConnectionRefusal): void {
    this.#connectionsRefused[reason] += 1;
  }

  securityEvent(kind: SecurityEvent): void {
    this.#securityEvents[kind] += 1;
  }

  propertyDropped(why: DropReason): void {
    this.#propertiesDropped[why] += 1;
  }

  clockReplaced(): void {
    this.#clockReplaced += 1;
  }

  /** Admitted messages recognised as repetitions of earlier ones. */
  presenceTold(): void {
    this.#presenceTold += 1;
  }

  repeated(count: number): void {
    this.#repeated += count;
  }

  /** The outcome of one command of a scene service. */
  httpRefused(reason: HttpRefusal): void {
    this.#httpRefused[reason] += 1;
  }

  command(outcome: CommandOutcome): void {
    this.#commands[outcome] += 1;
  }

  forecast(outcome: ForecastOutcome): void {
    this.#forecasts[outcome] += 1;
  }

  /** The outcome of one notice of a network service. */
  networkNotice(outcome: NetworkNoticeOutcome): void {
    this.#networkNotices[outcome] += 1;
  }

  /** One sealed batch became durable. */
  batch(messages: number): void {
    this.#batches += 1;
    this.#batchMessages.observe(messages, 1);
  }

  /** `count` messages were acknowledged after `seconds` each. */
  pubackSeconds(seconds: number, count: number): void {
    this.#puback.observe(seconds, count);
  }

  sinkWrote(sink: SinkName, durationMs: number): void {
    this.#sinkWrite[sink].observe(durationMs / 1_000, 1);
  }

  /** Codes outside the table are no failures of a sink and are not counted here. */
  sinkFailed(sink: SinkName, code: ErrorCode): void {
    const failure = SINK_FAILURES.find((known) => known === code);
    if (failure !== undefined) this.#sinkFailures[sink][failure] += 1;
  }

  withdrawalAnswered(durationMs: number): void {
    this.#withdrawal.observe(durationMs / 1_000, 1);
  }

  erasureCompleted(outcome: ErasureOutcome, durationMs: number): void {
    this.#erasures[outcome] += 1;
    this.#erasure.observe(durationMs / 1_000, 1);
  }

  /** The validity of a service's answer to an erasure. */
  erasureAnswer(outcome: ErasureAnswer): void {
    this.#erasureAnswers[outcome] += 1;
  }

  /** Names to forget were sent to a service of this purpose for the first time. */
  erasureDigest(purpose: ServicePurpose): void {
    this.#erasureDigests[purpose] += 1;
  }

  erasuresOpen(counts: Readonly<Record<OpenErasureState, number>>): void {
    Object.assign(this.#erasuresOpen, counts);
  }

  cellActivityTold(rows: number): void {
    this.#cellActivityRows += rows;
  }

  weatherPeople(told: number, withheld: number): void {
    this.#weatherPeople.told += told;
    this.#weatherPeople.withheld += withheld;
  }

  auditLate(): void {
    this.#auditLate += 1;
  }

  damaged(kind: DamageKind): void {
    this.#damaged[kind] += 1;
  }

  backupDamaged(counts: Readonly<Record<DamageKind, number>>): void {
    Object.assign(this.#backupDamaged, counts);
  }

  devicesSuspended(counts: Readonly<Record<Purpose, number>>): void {
    Object.assign(this.#devicesSuspended, counts);
  }

  placesWritten(outcome: PlaceOutcome, count: number): void {
    this.#places[outcome] += count;
  }

  notified(count: number): void {
    this.#notices += count;
  }

  gauge(name: GaugeName, value: number): void {
    this.#gauges[name] = value;
  }

  traceSpans(outcome: SpanDelivery, count: number): void {
    this.#traceSpans[outcome] += count;
  }

  /** A line of the log that an operator has to see. */
  logAlarm(alarm: LogAlarm): void {
    this.#logAlarms[alarm] += 1;
  }

  /** For which reasons the gateway is not ready now. */
  notReady(reasons: readonly ReadinessReason[]): void {
    this.#notReady = reasons;
  }

  /** `refresh` sets gauges just before each scrape. */
  beforeScrape(refresh: () => void): void {
    this.#refreshes.add(refresh);
  }

  /** The same for what reads files or asks Redis: once a second at most; if it fails or takes too long the old values remain. */
  beforeScrapeCostly(refresh: () => Promise<void>): void {
    this.#refreshes.addCostly(refresh);
  }

  /** Whether the event loop was later than its limit in the last 5 s; a reason not to be ready. */
  eventLoopDelayed(): boolean {
    return this.#eventLoop.delayMs.p99 > this.#eventLoopDelayMs;
  }

  /** The Prometheus text format, version 0.0.4; `open` as anybody may read it. Complete between `start` and `stop`. */
  async text(view: "open" | "full"): Promise<string> {
    await this.refresh();
    return `${await this.#views[view].metrics()}\n${await this.#process.text()}`;
  }

  /** Where few send, a single refusal or hold would tell what a person has decided, or a court. */
  #openSources(): Partial<Sources> {
    return {
      refused: () => by("reason", openRefused(this.books().refused)),
      erasuresOpen: () => by("state", { running: this.#erasuresOpen.running + this.#erasuresOpen.held }),
    };
  }

  #sources(): Sources {
    const books = () => this.books();
    const isReady = (reason: ReadinessReason) => (this.#notReady.includes(reason) ? 0 : 1);
    return {
      buildInfo: () => [[{ version: VERSION, node: process.version }, 1]],
      ready: () => READINESS_REASONS.map((reason) => [{ reason }, isReady(reason)]),
      received: () => single(books().received),
      admitted: () => single(books().admitted),
      recovered: () => single(books().recovered),
      handedOver: () => single(books().handedOver),
      refused: () => by("reason", books().refused),
      stored: () => single(books().stored),
      forwardedOnly: () => single(books().forwardedOnly),
      deadLettered: () => by("reason", books().deadLettered),
      inFlight: () => single(books().inFlight),
      forwarded: () => by("purpose", this.#forwarded),
      currentTold: () => by("purpose", this.#currentTold),
      services: () => by("origin", this.#services),
      servicesEnded: () => single(this.#servicesEnded),
      servicesNotCovered: () => single(this.#gauges.servicesNotCovered),
      forwardDropped: () => single(this.#forwardDropped),
      servicesCutOff: () => single(this.#servicesCutOff),
      connections: () => by("kind", this.#connections),
      logins: () => by("version", this.#logins),
      connectionsRefused: () => by("reason", this.#connectionsRefused),
      securityEvents: () => by("kind", this.#securityEvents),
      httpRefused: () => by("reason", this.#httpRefused),
      commands: () => by("outcome", this.#commands),
      forecasts: () => by("outcome", this.#forecasts),
      networkNotices: () => by("outcome", this.#networkNotices),
      repeated: () => single(this.#repeated),
      presence: () => single(this.#presenceTold),
      propertiesDropped: () => by("why", this.#propertiesDropped),
      clockReplaced: () => single(this.#clockReplaced),
      pausedConnections: () => single(this.#gauges.pausedConnections),
      batches: () => single(this.#batches),
      batchMessages: () => [[{}, this.#batchMessages]],
      puback: () => [[{}, this.#puback]],
      backlogMessages: () => single(this.#gauges.backlogMessages),
      backlogBytes: () => single(this.#gauges.backlogBytes),
      backlogLimit: () => single(this.#gauges.backlogLimit),
      backlogOldest: () => single(this.#gauges.backlogOldest),
      deadLetters: () => single(this.#gauges.deadLetters),
      deadLetterBytes: () => single(this.#gauges.deadLetterBytes),
      deadLetterLimit: () => single(this.#gauges.deadLetterLimit),
      sinkWrite: () => SINKS.map((sink) => [{ sink }, this.#sinkWrite[sink]]),
      sinkFailures: () =>
        SINKS.flatMap((sink) =>
          by("code", this.#sinkFailures[sink]).map(([labels, value]) => [{ sink, ...labels }, value] as const),
        ),
      places: () => by("outcome", this.#places),
      placesWaiting: () => single(this.#gauges.placesWaiting),
      currentWaiting: () => single(this.#gauges.currentWaiting),
      networkWaiting: () => single(this.#gauges.networkWaiting),
      breakerOpen: () => single(this.#gauges.breakerOpen),
      redisNotWritable: () => single(this.#gauges.redisNotWritable),
      withdrawal: () => [[{}, this.#withdrawal]],
      lease: () => single(this.#gauges.lease),
      erasures: () => by("outcome", this.#erasures),
      erasure: () => [[{}, this.#erasure]],
      erasureAnswers: () => by("outcome", this.#erasureAnswers),
      erasuresOpen: () => by("state", this.#erasuresOpen),
      erasureOldest: () => single(this.#gauges.erasureOldest),
      servicesUnanswered: () => single(this.#gauges.servicesUnanswered),
      erasureDigests: () => by("purpose", this.#erasureDigests),
      erasureNoticesWaiting: () => single(this.#gauges.erasureNoticesWaiting),
      erasureNoticesOverdue: () => single(this.#gauges.erasureNoticesOverdue),
      holdsOpen: () => single(this.#gauges.holdsOpen),
      holdOldest: () => single(this.#gauges.holdOldest),
      auditLate: () => single(this.#auditLate),
      cellActivityRows: () => single(this.#cellActivityRows),
      weatherPeople: () => by("outcome", this.#weatherPeople),
      damaged: () => by("kind", this.#damaged),
      backupDamaged: () => by("kind", this.#backupDamaged),
      devicesSuspended: () => by("purpose", this.#devicesSuspended),
      peopleToAsk: () => single(this.#gauges.peopleToAsk),
      notices: () => single(this.#notices),
      backupAge: () => single(this.#gauges.backupAge),
      backupInterval: () => single(this.#gauges.backupInterval),
      certificateExpires: () => single(this.#gauges.certificateExpires),
      logAlarms: () => by("alarm", this.#logAlarms),
      traceSpans: () => by("outcome", this.#traceSpans),
      eventLoopDelay: () => {
        const { p50, p99, max } = this.#eventLoop.delayMs;
        const { samples, ms } = this.#eventLoop.total;
        return { of: { "0.5": p50 / 1_000, "0.99": p99 / 1_000, "1": max / 1_000 }, sum: ms / 1_000, count: samples };
      },
    };
  }
}
