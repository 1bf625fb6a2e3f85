/**
 * The composition root: every part is built here with a plain constructor, in the order in which a
 * message meets it, and every door between two stages is a function handed across on this page.
 *
 *   device ─PUBLISH→ ingress ─→ admission ─→ consent ─→ queue ─→ pipeline ─→ sinks
 *                                  ↑ PUBACK once durable    consent again, de-identify
 */
import type { Config } from "./config/schema.ts";
import { consentCheck } from "./consent/check.ts";
import { Credentials } from "./consent/credentials.ts";
import { ConsentGate } from "./consent/gate.ts";
import { Leases } from "./consent/leases.ts";
import { Ledger } from "./consent/ledger.ts";
import { Policies } from "./consent/policies.ts";
import { standingOf } from "./consent/policy-changes.ts";
import { Deidentifier } from "./deidentify/deidentify.ts";
import { Keyring } from "./deidentify/keyring.ts";
import { HttpApi } from "./http/server.ts";
import { Access } from "./ingress/access.ts";
import { Admission } from "./ingress/admission.ts";
import { GatewayBroker } from "./ingress/broker.ts";
import { Commands } from "./ingress/commands.ts";
import { ErasedTopics } from "./ingress/erased-topics.ts";
import { Flow } from "./ingress/flow.ts";
import { Listeners } from "./ingress/listeners.ts";
import { Notices } from "./ingress/notices.ts";
import { perMinute, Rates } from "./ingress/rate.ts";
import { allOf, type CheckConsent, SERVICE_PURPOSES } from "./model/consent.ts";
import { GatewayError } from "./model/errors.ts";
import type { DeviceKey } from "./model/ids.ts";
import type { Log } from "./model/log.ts";
import { Metrics } from "./observe/metrics.ts";
import { Pipeline } from "./pipeline/pipeline.ts";
import { CircuitBreaker } from "./platform/circuit-breaker.ts";
import type { Keys } from "./platform/key-files.ts";
import { type Part, startAll, stopAll } from "./platform/lifecycle.ts";
import { Lookup } from "./platform/lookup.ts";
import { Periodic } from "./platform/periodic.ts";
import { redisKeys } from "./platform/redis-keys.ts";
import { readOptionFile } from "./platform/start-faults.ts";
import { Backlog } from "./queue/backlog.ts";
import { DeadLetters } from "./queue/dead-letters.ts";
import { checkDurability, type Durability } from "./queue/durability.ts";
import { Envelope } from "./queue/envelope.ts";
import { jobSize } from "./queue/job.ts";
import { KnownJobs } from "./queue/known-jobs.ts";
import { Producer } from "./queue/producer.ts";
import { BatchWorker } from "./queue/worker.ts";
import { CellActivity } from "./sinks/cell-activity.ts";
import { InfluxSink } from "./sinks/influx.ts";
import { PatientStart } from "./sinks/patient-start.ts";
import { requireResidency } from "./sinks/residency.ts";
import { createAccess } from "./wiring/access.ts";
import { createCentre } from "./wiring/centre.ts";
import { createConnections } from "./wiring/connections.ts";
import { deidentifierOptions } from "./wiring/deidentifier.ts";
import { createOutlets } from "./wiring/outlets.ts";
import { createRights, type Rights } from "./wiring/rights.ts";
import { createSafekeeping } from "./wiring/safekeeping.ts";
import { createUpkeep } from "./wiring/upkeep.ts";

const DAY_MS = 86_400_000;

/** Parts that a measurement may replace; the product itself never does. */
export interface Overrides {
  readonly checkConsent?: CheckConsent;
  readonly envelope?: Pick<Envelope, "seal" | "open">;
  readonly leases?: typeof Leases;
}

export interface Gateway {
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /** Takes changed key files up at once; otherwise that takes a second or two. */
  reloadKeys(): void;
  /** What a PUBACK is worth; known after `start`. */
  readonly durability: Durability | undefined;
}

/** `fatal` is called when the gateway can no longer do its work and a supervisor must start it anew. */
export function createGateway(
  config: Config,
  secrets: Keys,
  log: Log,
  fatal: (error: Error) => void,
  overrides: Overrides = {},
): Gateway {
  const { mqtt, queue, consent, deidentify, sinks, http } = config;
  const keys = redisKeys(config.redis.keyPrefix);
  const metrics = new Metrics({ eventLoopDelayMs: config.observe.eventLoopDelayMs });

  const redis = createConnections(config.redis);

  // What outlives a loss; and the keys, which may change while all this works.
  const safekeeping = createSafekeeping({
    config,
    secrets,
    redis: redis.store,
    keys,
    metrics,
    audit: (act) => upkeep.http.audit.note(act),
    fatal,
    log,
  });

  // Consent: asked at admission and again right before anything is written.
  const lookup = new Lookup(secrets.lookup);
  const keyring = new Keyring(safekeeping.liveKeys.subjects);
  const credentials = new Credentials(redis.store, keys, secrets.token, safekeeping.journal.tokenIssued);
  const gate = new ConsentGate(redis.store, keys);
  const checkConsent = overrides.checkConsent ?? consentCheck(gate);
  const leases = new (overrides.leases ?? Leases)(redis.store, keys, { leaseMs: consent.leaseMs });
  const policies = new Policies(redis.store, keys);
  const ledger = new Ledger(redis.store, keys, {
    createSubjectKey: () => keyring.createSubjectKey(),
    now: Date.now,
    controller: consent.controller,
    expiryDays: consent.expiryDays,
    narrowing: safekeeping.journal.narrowing,
  });

  // Queue: sealed batches, durable before anything is acknowledged.
  const envelope = overrides.envelope ?? new Envelope(safekeeping.liveKeys.queue);
  const known = new KnownJobs((id) => metrics.recovered(jobSize(id).messages));
  const producer = new Producer(redis.producer, keys, envelope, known);
  const deadLetters = new DeadLetters(redis.store, keys, envelope);
  const backlog = new Backlog(redis.store, keys, { maxBytes: queue.backlogBytes, pollMs: 500 }, log);
  const backlogFull = (): boolean => backlog.full;

  // Ingress: from the socket to the PUBACK.
  const flow = new Flow(mqtt);
  const admission = new Admission(
    {
      maxPayloadBytes: mqtt.maxPayloadBytes,
      times: mqtt,
      commit: {
        maxItems: queue.maxBatchMessages,
        maxBytes: queue.maxBatchBytes,
        flushesInFlight: queue.flushesInFlight,
        deadlineMs: mqtt.enqueueDeadlineMs,
      },
    },
    flow,
    {
      checkConsent,
      enqueue: (messages, signal) => producer.enqueue(messages, signal),
      backlogFull,
      books: metrics,
      observe: metrics,
      log,
    },
  );
  const outlets = createOutlets({ config, redis: redis.store, keys, policies, metrics, log });
  const { fanOut } = outlets;
  const commands: Commands = new Commands(
    { maxPayloadBytes: mqtt.maxPayloadBytes, remembered: 200_000 },
    {
      checkConsent,
      scenePseudonym: (device, wrappedKey) => {
        const epoch = Math.floor(Date.now() / (deidentify.epochDays * DAY_MS));
        return keyring.pseudonym(wrappedKey, device.deviceKey, "scene", epoch);
      },
      connectedDevice: (device) => broker.connectedDevice(device),
      send: (topic, payload, done) =>
        broker.publish({ cmd: "publish", topic, payload, qos: 1, retain: false, dup: false }, done),
      counted: (outcome) => metrics.command(outcome),
    },
  );
  const access = new Access(
    config.services,
    {
      publishes: new Rates({ ...mqtt.rate, remembered: 200_000 }),
      failures: perMinute(mqtt.failedLoginsPerMinute, 100_000),
      failuresOfAddress: perMinute(mqtt.failedLoginsPerAddressPerMinute, 10_000),
    },
    {
      deviceKey: (device) => lookup.deviceKey(device),
      verify: (device, token) => credentials.verify(device, token),
    },
  );
  const erased = new ErasedTopics({
    acknowledged: (id, purpose, service) => rights.acknowledged(id, purpose, service),
    // Whoever comes back is told at the next turn anyway; this only makes it come sooner.
    listening: () => void rights.wake().catch(() => undefined),
    denied: () => metrics.erasureAnswer("denied"),
  });
  const broker: GatewayBroker = new GatewayBroker(mqtt, {
    access,
    admission,
    commands,
    fanOut,
    erased,
    flow,
    backlogFull,
    failed: fatal,
    observe: metrics,
  });
  const notices = new Notices({
    connected: () => broker.connectedDevices(),
    standings: async (devices) => {
      const { decisions, plan } = await gate.read(devices);
      return decisions.map((decision) => standingOf(decision, plan, Date.now()));
    },
    policyChange: async (version) => (await policies.list()).find((policy) => policy.version === version),
    send: (topic, payload, done) =>
      broker.publish({ cmd: "publish", topic, payload, qos: 1, retain: false, dup: false }, done),
    counted: (count) => metrics.notified(count),
    log,
  });
  const listeners = new Listeners(
    { ...mqtt, handshakeTimeoutMs: mqtt.connectTimeoutMs },
    {
      accept: (stream, remoteAddress) => broker.accept(stream, remoteAddress),
      refused: (reason) => metrics.connectionRefused(reason),
      log,
    },
  );

  // Sinks: the store, and the services by purpose.
  const sink = new InfluxSink(
    { ...sinks.influx, createDatabase: true, startTimeoutMs: 5_000, maxSockets: queue.workerConcurrency + 1 },
    log,
  );
  const store = new PatientStart(sink, log);
  const breaker = new CircuitBreaker(sinks.breaker);
  const activity = new CellActivity(sinks.cellActivity);

  // Privacy centre: people look on at what becomes of their own messages.
  const centre = createCentre({ config, secrets, redis: redis.store, keys });

  // Pipeline: what a batch meets after the queue.
  const deidentifier = new Deidentifier(deidentifierOptions(config), keyring);
  const pipeline = new Pipeline({
    acquireLease: () => leases.acquire(),
    left: (signal) => outlets.fanOut.left(signal),
    checkConsent,
    deidentify: (message, grants, wrappedKey) => deidentifier.deidentify(message, grants, wrappedKey),
    wanted: () => allOf(["analytics", ...SERVICE_PURPOSES.filter((purpose) => fanOut.listening(purpose))]),
    store: (records, signal) => observed(() => store.use(() => sink.write(records, signal)), metrics),
    askStore: (signal) => store.use(() => sink.ask(signal)),
    removeStored: async (records, signal) => (await store.use(() => sink.remove(records, signal))) !== "unsupported",
    inDoubtGraceMs: sinks.influx.timeoutMs,
    stored: (records) => activity.add(records, Date.now()),
    announce: (batch) => outlets.announce(batch),
    addressable: (pseudonym, device) => commands.remember(pseudonym, device),
    deadLetter: (reason, messages) => deadLetters.add(reason, messages),
    breaker,
    samples: centre.samples,
    books: metrics,
    log,
  });
  const worker = new BatchWorker(
    redis.worker,
    keys,
    { ...queue, passesInFlight: queue.workerConcurrency, maxMessagesPerPass: 4_000, lockMs: 10_000 },
    { envelope, producer, deadLetters, known },
    {
      process: (messages, stop, begunBefore) => pipeline.process(messages, stop, begunBefore),
      deadLettered: (reason, count) => metrics.deadLettered(reason, count),
      waitingOnPurpose: () => pipeline.waiting,
      backlogJobs: () => backlog.depth.jobs,
      stalled: fatal,
      log,
    },
  );

  // The rights of data subjects, besides consent itself.
  const upkeep = createUpkeep({
    config,
    secrets,
    redis,
    keys,
    keyring,
    deadLetters,
    metrics,
    log,
    purgeStored: (tag) => rights.http.erasures.request(tag, { by: "controller", method: "minor" }),
    narrowing: safekeeping.journal.narrowing,
    freed: () => rights.wake(),
  });
  const rights: Rights = createRights({
    config,
    secrets,
    keys,
    redis,
    leases,
    keyring,
    envelope,
    backlog,
    deadLetters,
    disclosures: outlets.disclosures,
    sink,
    store,
    audit: (act) => upkeep.http.audit.note(act),
    journal: safekeeping.journal.erasure,
    tell: (notice) => erased.tell(notice),
    forgetNames: (names) => {
      deidentifier.forget(names);
      commands.forget(names);
    },
    metrics,
    log,
  });

  const portability = createAccess({
    config,
    redis: redis.store,
    keys,
    ledger,
    gate,
    keyring,
    deadLetters,
    erasures: rights.http.erasures,
    disclosures: outlets.http.disclosures,
    log,
  });

  // The account service's and the operator's side.
  let durability: Durability | undefined;
  const readiness = (): { ready: boolean; reasons: string[] } => {
    const reasons = [
      redis.store.status === "ready" ? "" : "redis-unreachable",
      backlog.full ? "backlog-full" : "",
      store.ready && breaker.state === "closed" ? "" : "store-unavailable",
      metrics.eventLoopDelayed() ? "event-loop-delayed" : "",
      durability === undefined ? "starting" : "",
    ].filter((reason) => reason !== "");
    return { ready: reasons.length === 0, reasons };
  };
  const api = new HttpApi(http, {
    lookup,
    credentials,
    ledger,
    policies: {
      publish: async (bytes: Uint8Array) => {
        const result = await safekeeping.journal.published(await policies.publish(bytes));
        await outlets.policyPublished();
        return result;
      },
      get: (version: number) => policies.get(version),
      list: () => policies.list(),
      floors: () => policies.floors(),
    },
    leases,
    ...upkeep.http,
    ...rights.http,
    ...outlets.http,
    ...portability.http,
    centre: centre.http,
    purgeDeadLetters: (devices: readonly DeviceKey[]) => deadLetters.purge(devices),
    readiness,
    metricsText: () => metrics.text(),
    withdrawalAnswered: (durationMs: number) => metrics.withdrawalAnswered(durationMs),
    log,
  });

  // From memory alone: the metrics are wanted most when Redis hangs.
  metrics.beforeScrape(() => {
    metrics.gauge("pausedConnections", flow.pausedConnections);
    metrics.gauge("breakerOpen", breaker.state === "closed" ? 0 : 1);
    metrics.gauge("backlogMessages", backlog.depth.messages);
    metrics.gauge("backlogBytes", backlog.depth.bytes);
  });

  const writeActivity = async (final: boolean): Promise<void> => {
    const lines = activity.take(Date.now(), final);
    if (lines.length > 0) await sink.writeLines(lines, AbortSignal.timeout(sinks.influx.timeoutMs));
  };
  const periodic = new Periodic(
    [
      { name: "cell activity", everyMs: 1_000, run: () => writeActivity(false) },
      {
        name: "dead letter count",
        everyMs: 1_000,
        run: async () => metrics.gauge("deadLetters", await deadLetters.count()),
      },
    ],
    log,
  );

  // Downstream first: nothing is let in before everything behind it can take it on.
  const parts: Part[] = [
    { name: "metrics", start: () => metrics.start(), stop: () => metrics.stop() },
    redis.part,
    ...safekeeping.parts,
    {
      name: "durability",
      start: async () => {
        durability = await checkDurability(redis.store, queue.requireDurability);
      },
      stop: () => undefined,
    },
    {
      name: "policies",
      start: () => policies.ensureShipped(readOptionFile("consent.policyFile", consent.policyFile)),
      stop: () => undefined,
    },
    outlets.part,
    {
      name: "store",
      start: async (signal) => {
        requireResidency([{ name: "influx", region: sink.region }], sinks.residency);
        await store.start(signal);
      },
      stop: async () => {
        if (store.ready) await writeActivity(true);
        await store.stop();
      },
    },
    { name: "periodic", start: () => periodic.start(), stop: () => periodic.stop() },
    { name: "backlog", start: () => backlog.start(), stop: () => backlog.stop() },
    { name: "producer", start: () => producer.start(), stop: () => producer.stop() },
    ...rights.parts,
    ...portability.parts,
    {
      name: "worker",
      start: () => worker.start(),
      stop: async () => {
        await worker.stop();
        await pipeline.left();
      },
    },
    { name: "broker", start: () => broker.listen(), stop: () => broker.stop() },
    {
      name: "admission",
      start: () => admission.start(),
      stop: async () => {
        broker.quiesce();
        await admission.stop();
      },
    },
    {
      name: "events",
      start: async () => {
        notices.watch(broker);
        redis.events.on("message", (channel: string, message: string) => {
          if (channel === keys.sessionEnd) {
            broker.endDevice(message as DeviceKey);
            centre.samples.endDevice(message as DeviceKey);
          } else {
            void outlets.policyPublished();
            void notices.policyPublished(Number(message));
          }
        });
        const listen = () => redis.events.subscribe(keys.sessionEnd, keys.policyPublished);
        await listen();
        // What was said while nobody listened is lost: whoever is connected has to prove itself again.
        redis.events.on("ready", () => {
          listen()
            .catch(() => undefined)
            .then(() => broker.endDevices());
        });
      },
      stop: () => undefined,
    },
    ...upkeep.parts,
    { name: "http", start: (signal) => api.start(signal), stop: () => api.stop() },
    { name: "listeners", start: () => listeners.start(), stop: () => listeners.close() },
  ];
  const lifecycle = { stopDeadlineMs: Math.max(queue.stopDeadlineMs, mqtt.enqueueDeadlineMs) + 2_000, log };

  return {
    start: (signal) => startAll(parts, signal, lifecycle),
    stop: async () => {
      await stopAll(parts, lifecycle);
      await listeners.stop();
    },
    reloadKeys: () => safekeeping.reloadKeys(),
    get durability() {
      return durability;
    },
  };
}

/** Times a write and counts how it failed. */
async function observed<T>(write: () => Promise<T>, metrics: Metrics): Promise<T> {
  const startedAt = performance.now();
  try {
    return await write();
  } catch (error) {
    if (error instanceof GatewayError) metrics.sinkFailed("influx", error.code);
    throw error;
  } finally {
    metrics.sinkWrote("influx", performance.now() - startedAt);
  }
}
