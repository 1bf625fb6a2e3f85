/**
 * The composition root: every part is built here with a plain constructor, in the order in which a message meets it, and
 * is handed the parts it needs. A part says what it needs as an interface; the object that satisfies it is passed as it is.
 *
 *   device ─PUBLISH→ ingress ─→ admission ─→ consent ─→ queue ─→ pipeline ─→ sinks
 *                                  ↑ PUBACK once durable    consent check again, de-identify
 *
 * How the parts of one stage fit together stands in `src/wiring`. A closure here either leads to a part that is built
 * further down (nothing is called before `start`), or does more than one call.
 */
import type { Config } from "./config/schema.ts";
import { standingOf } from "./consent/policy/changes.ts";
import { Deidentifier } from "./deidentify/deidentify.ts";
import type { DamageKind } from "./model/damage.ts";
import type { Log } from "./model/log.ts";
import { FollowedDevices } from "./observe/followed-devices.ts";
import { countingAlarms } from "./observe/log-alarms.ts";
import { Metrics } from "./observe/metrics.ts";
import { Availability } from "./platform/availability.ts";
import type { Keys } from "./platform/keys/files.ts";
import { keyspaceOf } from "./platform/keyspace.ts";
import { type Part, partOf, startAll, stopAll } from "./platform/lifecycle.ts";
import type { Durability } from "./queue/durability.ts";
import { auditKey } from "./rights/audit/chain.ts";
import { AuditLog } from "./rights/audit/log.ts";
import { AuditTrail } from "./rights/audit/trail.ts";
import { Vocabulary } from "./vocabulary/vocabulary.ts";
import { createAddressable } from "./wiring/addressable.ts";
import { Announcement } from "./wiring/announcement.ts";
import { createApi } from "./wiring/api.ts";
import type { Base } from "./wiring/base.ts";
import { createCentre } from "./wiring/centre.ts";
import { createConnections } from "./wiring/connections.ts";
import { type ConsentOverrides, createConsent } from "./wiring/consent.ts";
import { createConsole } from "./wiring/console.ts";
import { type CrowdOverrides, createCrowds } from "./wiring/crowds.ts";
import { type Current, type CurrentOverrides, createCurrent } from "./wiring/current.ts";
import { deidentifierOptions } from "./wiring/deidentifier.ts";
import { shippedDialects } from "./wiring/dialects.ts";
import { createEvents } from "./wiring/events.ts";
import { createExports } from "./wiring/exports.ts";
import { createForecasts } from "./wiring/forecasts.ts";
import { createIngress } from "./wiring/ingress.ts";
import { memoryPart } from "./wiring/memory.ts";
import { createNetwork, type NetworkOverrides } from "./wiring/network.ts";
import { createOutlets } from "./wiring/outlets.ts";
import { createPipeline } from "./wiring/pipeline.ts";
import { createPlaces, type PlaceOverrides } from "./wiring/places.ts";
import { createPreparations } from "./wiring/preparations.ts";
import { createQueue, type QueueOverrides } from "./wiring/queue.ts";
import { type Origin, Reload } from "./wiring/reload.ts";
import { createRights, type Rights, type RightsOverrides } from "./wiring/rights.ts";
import { createSafekeeping } from "./wiring/safekeeping.ts";
import { createSchema } from "./wiring/schema.ts";
import { shownPlaces } from "./wiring/shown-places.ts";
import { createStore } from "./wiring/store.ts";
import { createTokens } from "./wiring/tokens.ts";
import { createTracing } from "./wiring/tracing.ts";
import { createUpkeep } from "./wiring/upkeep.ts";

/** More than the longest wait of a part. */
const STOP_MARGIN_MS = 2_000;
/** For the console: a look at a device that makes trouble, and no observation of one. */
const TRACING = { mostMs: 600_000, most: 8, mostOfOwner: 2, mostLines: 2_000 };

/** Parts that a benchmark, a test or the demo may replace or shorten; the product itself never does. */
export interface Overrides
  extends ConsentOverrides,
    QueueOverrides,
    PlaceOverrides,
    NetworkOverrides,
    CrowdOverrides,
    CurrentOverrides,
    RightsOverrides {}

export interface Gateway {
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /** Reloads changed key files at once; otherwise that takes a second or two. */
  reloadKeys(): void;
  /** Reads the configuration again, once started. Never rejects: the log says what became of it. */
  reload(): Promise<void>;
  /** What a PUBACK guarantees; known after `start`. */
  readonly durability: Durability | undefined;
}

/**
 * `fatal` is called when the gateway can no longer do its work and a supervisor must restart it. `origin`: from where the
 * configuration is read again; without one only the files that it names are.
 */
export function createGateway(
  config: Config,
  keys: Keys,
  writtenLog: Log,
  fatal: (error: Error) => void,
  overrides: Overrides = {},
  origin: Origin = { examine: () => ({ config, problems: [], placeOf: () => undefined }), useLogLevel: () => {} },
): Gateway {
  const metrics = new Metrics({ eventLoopDelayMs: config.observe.eventLoopDelayMs });
  const log = countingAlarms(writtenLog, (alarm) => metrics.logAlarm(alarm));
  const availability = new Availability(config.observe.stoppingMs);
  const redis = createConnections(config.redis);
  const keyspace = keyspaceOf(config.redis.keyPrefix);
  const vocabulary = new Vocabulary(config.properties, config.deidentify.storedValues);
  const dialects = shippedDialects(vocabulary);
  const base: Base = { config, keys, redis, keyspace, metrics, log, vocabulary, dialects };
  const { traces, parts: tracing } = createTracing(base);
  const damaged = (kind: DamageKind): void => {
    metrics.damaged(kind);
    log.error("continued without a damaged record", { reason: kind });
  };
  const auditLog = new AuditLog(redis.store, keyspace, { keys: [auditKey(keys.lookup)], now: Date.now });
  const audit = new AuditTrail({ audit: auditLog, metrics, log, now: Date.now });

  // What the operator's console shows: gateways say it to one another, and devices are followed in memory.
  const announcement: Announcement = new Announcement({
    lookup: keys.lookup,
    keys: () => safekeeping.liveKeys.present,
    config: () => reload.running,
    readiness: () => readiness(),
  });
  const followed = new FollowedDevices(TRACING);

  // What outlives a loss; and the keys, which may change while all this works.
  const safekeeping = createSafekeeping({
    ...base,
    redis: redis.store,
    audit,
    auditLog,
    announcement,
    fatal,
  });

  // Consent: checked at admission and again right before any write.
  const consent = createConsent(base, safekeeping, damaged, overrides);

  // Outlets: services subscribe on the broker on which devices publish; here it is decided what they may receive.
  const outlets = createOutlets({
    ...base,
    redis: redis.store,
    policies: consent.policies,
    keyring: consent.keyring,
    journal: safekeeping.journal,
    sessions: { servicesChanged: () => ingress.servicesChanged() },
    tellCurrent: (purpose) => current.tell(purpose),
  });

  // The weather loop: what weather services answer for a cell goes to the devices below it.
  const forecasts = createForecasts(base, {
    leases: consent.leases,
    checkConsent: consent.check,
    placed: () => ingress.placedDevices(),
  });
  const addressable = createAddressable(base, consent);

  // Ingress: a device publishes, and gets its PUBACK when the message is durable or refused.
  const ingress = createIngress(base, {
    consent,
    addressable,
    checkConsent: consent.check,
    enqueue: (messages, signal, queuedAt) => queue.producer.enqueue(messages, signal, queuedAt),
    traces,
    backlogFull: () => queue.backlog.full,
    notWritable: () => queue.writable.refusal !== undefined,
    writableAgain: (error, signal) => queue.writable.again(error, signal),
    fanOut: outlets.fanOut,
    joiners: outlets.joiners,
    services: outlets.directory,
    allowsCommand: outlets.allowsCommand,
    erasures: {
      acknowledged: (id, purpose, service) => rights.acknowledged(id, purpose, service),
      // A service that comes back is told at the next turn anyway; this only makes it come sooner.
      listening: () => void rights.listening(),
    },
    notices: {
      standings: async (devices) => {
        const { decisions, plan } = await consent.gate.read(devices);
        return decisions.map((decision) => standingOf(decision, plan, Date.now()));
      },
      policyChange: async (version) => (await consent.policies.list()).find((policy) => policy.version === version),
    },
    forecasts,
    cellOf: (lat, lon) => deidentifier.cellOf(lat, lon),
    followed,
    fatal,
  });

  // Queue: sealed batches, durable before anything is acknowledged.
  const queue = createQueue(base, safekeeping.liveKeys.queue, damaged, overrides);

  // Pipeline: a batch out of the queue, de-identified, into the store and on to the services.
  const deidentifier = new Deidentifier(deidentifierOptions(config, vocabulary, dialects), consent.keyring);
  const store = createStore(base);
  const places = createPlaces(base, {
    checkConsent: consent.check,
    leases: consent.leases,
    keyring: consent.keyring,
    store,
    damaged,
    overrides,
  });
  const network = createNetwork(
    base,
    {
      checkConsent: consent.check,
      leases: consent.leases,
      keyring: consent.keyring,
      delivery: outlets.live.network,
      addressable: addressable.network,
      damaged,
    },
    overrides,
  );
  const crowds = createCrowds(
    base,
    {
      store,
      outlets,
      leases: consent.leases,
      checkConsent: consent.check,
      toldCells: forecasts.told,
      keyDestroyed: () => rights.keyDestroyed(),
    },
    overrides,
  );
  const current: Current = createCurrent(
    base,
    {
      checkConsent: consent.check,
      leases: consent.leases,
      keyring: consent.keyring,
      outlets,
      crowds,
      addressable,
      damaged,
    },
    overrides,
  );
  const records = [places, network, current];
  const centre = createCentre({
    ...base,
    redis: redis.store,
    places: shownPlaces({ config, checkConsent: consent.check, places, overrides }),
  });
  const worker = createPipeline(base, {
    queue,
    leases: consent.leases,
    checkConsent: consent.check,
    deidentifier,
    store,
    places,
    network,
    current,
    crowds,
    outlets,
    addressable: addressable.scene,
    commands: ingress.commands,
    samples: centre.samples,
    traces,
    followed,
    fatal,
  });

  // Beside the path: the rights of data subjects, and what watches over them.
  const rights: Rights = createRights({
    ...base,
    policies: consent.policies,
    leases: consent.leases,
    turns: consent.turns,
    keyring: consent.keyring,
    envelope: queue.envelope,
    backlog: queue.backlog,
    deadLetters: queue.deadLetters,
    readings: crowds,
    disclosures: outlets.disclosures,
    records,
    sink: store.sink,
    store: store.reached,
    audit,
    journal: safekeeping.journal.erasure,
    registrations: consent.hubs,
    directory: outlets.directory,
    forwarded: outlets.forwarded,
    services: {
      wants: (notice, againAfterMs) => ingress.erased.wants(notice, againAfterMs),
      tell: (notice) => ingress.erased.tell(notice),
    },
    forgetNames: (names) => {
      deidentifier.forget(names);
      outlets.forgetNames(names);
      addressable.forget(names);
      ingress.commands.forget(names);
    },
    damaged,
    overrides,
  });
  const upkeep = createUpkeep({
    ...base,
    keyring: consent.keyring,
    turns: consent.turns,
    leases: consent.leases,
    deadLetters: queue.deadLetters,
    damaged,
    erasures: rights.erasures,
    rows: store.sink.retention,
    audit,
    auditLog,
    journal: safekeeping.journal,
  });
  const exports = createExports({
    ...base,
    redis: redis.store,
    policies: consent.policies,
    ledger: consent.ledger,
    deviceConnections: consent.deviceConnections,
    gate: consent.gate,
    keyring: consent.keyring,
    deadLetters: queue.deadLetters,
    places,
    network,
    scenes: current,
    erasures: rights.erasures,
    rows: store.sink.reading,
    disclosures: outlets.http.disclosures,
  });
  const tokens = createTokens(base);
  const tellers = [store, crowds, deidentifier];
  const reload = new Reload(base, { origin, audit, ingress, deidentifier, tellers });
  const { api, health, readiness } = createApi(base, {
    consent,
    safekeeping,
    outlets,
    ingress,
    queue,
    store,
    records,
    rights,
    upkeep,
    exports,
    centre,
    tokens,
    audit,
    damaged,
    availability,
    reload,
  });
  const operatorConsole = createConsole(base, {
    announcement,
    audit,
    consent,
    ingress,
    outlets,
    queue,
    readiness,
    reload,
    rights,
    store,
    tokens,
    traces: followed,
    upkeep,
  });
  const events = createEvents(base, {
    sessionEnded: (device) => {
      ingress.endDevice(device);
      followed.deviceChanged(device);
      centre.samples.endDevice(device);
    },
    // No session speaks for other devices yet.
    childrenChanged: (hub) => ingress.childrenChanged(hub),
    // Every connected device has to authenticate again.
    missed: () => {
      ingress.endDevices();
      followed.allChanged();
      outlets.servicesChanged();
      tokens.changed();
    },
    servicesChanged: () => outlets.servicesChanged(),
    tokensChanged: () => tokens.changed(),
    recordChanged: (concerned) => {
      void centre.samples.changed(concerned);
      void forecasts.delivery.recordChanged(concerned);
    },
    forecastKept: (cell) => forecasts.delivery.arrived(cell),
    policyPublished: (version) => {
      void outlets.policyPublished();
      void ingress.notices.policyPublished(version);
    },
  });

  // Downstream first: nothing is accepted before everything after it can process it.
  const parts: Part[] = [
    partOf("metrics", metrics),
    ...tracing,
    ...createPreparations(config, deidentifier, base, (files) => reload.started(files)),
    ...(config.metrics.enabled ? [partOf("metrics listener", health)] : []),
    redis.part,
    queue.writablePart,
    createSchema(base),
    ...safekeeping.parts,
    queue.durabilityPart,
    consent.part,
    outlets.part,
    ...store.parts,
    ...crowds.parts,
    places.part,
    network.part,
    current.part,
    ...queue.parts,
    ...rights.parts,
    ...exports.parts,
    worker,
    ...ingress.parts,
    forecasts.part,
    events,
    ...upkeep.parts,
    tokens.part,
    memoryPart(base),
    partOf("http", api),
    ...(config.console.enabled ? [partOf("console", operatorConsole)] : []),
    ingress.listeners,
    partOf("availability", availability),
  ];
  const longestWaitMs = Math.max(config.queue.stopDeadlineMs, config.mqtt.enqueueDeadlineMs, config.observe.stoppingMs);
  const stopDeadlineMs = longestWaitMs + STOP_MARGIN_MS;

  return {
    start: (signal) => startAll(parts, signal, { stopDeadlineMs, log }),
    stop: async () => {
      await stopAll(parts, { stopDeadlineMs, log });
      await ingress.close();
    },
    reloadKeys: () => safekeeping.reloadKeys(),
    reload: () => reload.bySignal(),
    get durability() {
      return queue.durability();
    },
  };
}
