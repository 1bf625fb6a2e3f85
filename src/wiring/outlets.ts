/**
 * Wires the outlets, through which data leave towards services: which services there are and which of them the policy covers,
 * the account of disclosures, and the topics. Only data in the account are delivered, and only to covered services.
 */
import type { Redis } from "ioredis";
import type { Config } from "../config/schema.ts";
import type { Policies } from "../consent/policy/policies.ts";
import type { HttpPorts } from "../http/ports.ts";
import { processedPacket } from "../ingress/mqtt/processed-packet.ts";
import { FanOut } from "../ingress/services/fan-out.ts";
import { LateJoiners } from "../ingress/services/late-joiners.ts";
import type { Deliveries } from "../model/delivery.ts";
import { DAY_MS } from "../model/durations.ts";
import type { Pseudonym } from "../model/ids.ts";
import type { Log } from "../model/log.ts";
import type { ServicePurpose } from "../model/purposes.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Keys } from "../platform/keys/files.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import type { Part } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import { Disclosures } from "../rights/access/disclosures.ts";
import { ForwardedNames, type NoteSeal } from "../rights/erasure/forwarded-names.ts";
import type { JournalNotes } from "../rights/journal/notes.ts";
import { ServiceDirectory } from "../services/directory.ts";
import { ServiceRegistry } from "../services/registry.ts";
import { CrowdTopics } from "../sinks/services/crowd-topics.ts";
import { Accounting } from "../sinks/services/disclosure-accounting.ts";
import { NotedNames } from "../sinks/services/noted-names.ts";
import { type Disclosed, PurposeTopics, type PurposeTopicsPort } from "../sinks/services/purpose-topics.ts";
import { Recipients } from "../sinks/services/recipients.ts";
import { ServiceCoverage } from "../sinks/services/service-coverage.ts";

export interface OutletsDeps {
  readonly config: Pick<Config, "services" | "retention" | "sinks" | "deidentify" | "current">;
  readonly keys: Pick<Keys, "token">;
  readonly redis: Redis;
  readonly keyspace: Keyspace;
  readonly policies: Pick<Policies, "newest" | "homesSince">;
  readonly keyring: NoteSeal;
  readonly journal: Pick<JournalNotes, "serviceChanged">;
  /** Tells those who wait in `joiners`. Never rejects. */
  readonly tellCurrent: (purpose: ServicePurpose) => Promise<void>;
  /** What is connected. */
  readonly sessions: { servicesChanged(): void };
  readonly metrics: Pick<
    Metrics,
    "forwarded" | "currentTold" | "forwardDropped" | "serviceCutOff" | "servicesKnown" | "gauge"
  >;
  readonly log: Log;
}

export interface Outlets {
  readonly fanOut: FanOut;
  readonly directory: ServiceDirectory;
  readonly disclosures: Disclosures;
  readonly forwarded: ForwardedNames;
  /** Whether the policy lets a service give a command. */
  readonly allowsCommand: ServiceCoverage["allows"];
  /** Whether scene services hear which devices are of one home, of who consented to this version of the policy. */
  tellsHomes(policyVersion: number): boolean;
  /** Drops what memory holds of these names. */
  forgetNames(names: readonly Pseudonym[]): void;
  /** Start after the policies. Throws what `ServiceCoverage.require` throws. */
  readonly part: Part;
  readonly http: Pick<HttpPorts, "disclosures" | "services">;
  /** To services that listen. */
  readonly live: Deliveries;
  /** To services that are being told what is current. */
  readonly current: Deliveries;
  /** Services that ask for what is current; `undefined` when nothing is. */
  readonly joiners: LateJoiners | undefined;
  /** Whether there is a service that may be given something for the purpose, connected or not. */
  anyFor(purpose: ServicePurpose): boolean;
  /** Of the newest policy that is known here. */
  policyVersion(): number | undefined;
  /** A policy was published: a service it does not cover gets nothing from here on. Never rejects. */
  policyPublished(): Promise<void>;
  /** Some gateway has changed a service, or may have. */
  servicesChanged(): void;
}

const MAX_UNSENT_BYTES = 4 * 1024 * 1024;
/** Well before the end of a lease, at which the connection is closed. */
const MAX_UNSENT_MS = 500;
/** Account lines known to be recorded: all lines of about 300,000 subjects with three services. */
const REMEMBERED_LINES = 1_000_000;
/** Names known to be noted as forwarded: those of about 100,000 devices with three services. */
const REMEMBERED_NAMES = 300_000;
const FLUSH_MS = 10_000;
/** In case a lost connection missed a message. */
const POLL_MS = 2_000;

export function createOutlets(deps: OutletsDeps): Outlets {
  const { config, redis, keyspace, policies, metrics, log } = deps;
  const { directory, registry, onChange } = createServices(deps);
  let homesSince: number | undefined;
  const coverage = new ServiceCoverage(() => directory.all(), {
    newest: async (known) => {
      const newest = await policies.newest(known);
      if (newest !== undefined && config.deidentify.homes) homesSince = await policies.homesSince();
      return newest;
    },
    uncovered: (count) => metrics.gauge("servicesNotCovered", count),
    log,
  });
  const recipients = new Recipients(coverage);
  const servicesChanged = (): void => {
    if (!recipients.use(directory.all())) log.error("too many changes of services; some get nothing before a restart");
    coverage.servicesChanged();
    deps.sessions.servicesChanged();
  };
  onChange(servicesChanged);
  recipients.use(directory.all());
  const fanOut = new FanOut(
    { maxUnsentBytes: MAX_UNSENT_BYTES, maxUnsentMs: MAX_UNSENT_MS },
    {
      entitlement: (service, purpose) => recipients.entitlement(service, purpose),
      dropped: (count) => metrics.forwardDropped(count),
      cutOff: () => metrics.serviceCutOff(),
    },
  );
  const disclosures = new Disclosures(redis, keyspace);
  const accounting = new Accounting({ recipients: recipients.all, maxLines: REMEMBERED_LINES }, disclosures);
  const port: PurposeTopicsPort = {
    to: fanOut,
    packet: processedPacket,
    counted: (purpose, count) => metrics.forwarded(purpose, count),
    now: Date.now,
  };
  const forwarded = new ForwardedNames(redis, keyspace, deps.keyring);
  const names = new NotedNames({ recipients: recipients.all, maxNames: REMEMBERED_NAMES }, forwarded);
  const disclosed = { accounting, names, epochMs: config.deidentify.epochDays * DAY_MS };
  const joiners = new LateJoiners({
    fanOut,
    entitlement: (service, purpose) => recipients.entitlement(service, purpose),
    tell: deps.tellCurrent,
    waiting: (count) => metrics.gauge("currentWaiting", count),
    now: Date.now,
  });
  const periodic = new Periodic(
    [
      { name: "disclosures", everyMs: FLUSH_MS, run: () => accounting.flush() },
      { name: "service terms", everyMs: POLL_MS, run: () => coverage.refresh() },
      { name: "services", everyMs: POLL_MS, run: () => directory.refresh() },
    ],
    log,
  );

  return {
    fanOut,
    directory,
    disclosures,
    forwarded,
    tellsHomes: (policyVersion) => homesSince !== undefined && policyVersion >= homesSince,
    allowsCommand: (service, command) => coverage.allows(service, command),
    forgetNames: (some) => names.forget(some),
    part: {
      name: "services",
      start: async () => {
        await forwarded.begin();
        await coverage.require({ ...config.retention, region: config.sinks.influx.region });
        await directory.refresh();
        periodic.start();
      },
      stop: async () => {
        periodic.stop();
        await accounting.flush();
      },
    },
    http: {
      services: { registry, directory, coverage },
      disclosures: {
        of: async (subject) => {
          await accounting.flush();
          return disclosures.of(subject);
        },
        totals: async (range) => {
          await accounting.flush();
          return disclosures.totals(range);
        },
      },
    },
    live: deliveriesOf(port, disclosed),
    current: deliveriesOf(
      { ...port, to: joiners, counted: (purpose, count) => metrics.currentTold(purpose, count) },
      disclosed,
    ),
    joiners: config.current.forMinutes === 0 ? undefined : joiners,
    anyFor: (purpose) => recipients.anyFor(purpose),
    policyVersion: () => coverage.policyVersion,
    policyPublished: () => coverage.refresh().catch(() => log.warn("service terms not checked, will be retried")),
    servicesChanged: () =>
      void directory.refresh().catch(() => log.warn("changes of services not read, will be retried")),
  };
}

function deliveriesOf(port: PurposeTopicsPort, disclosed: Disclosed): Deliveries {
  return {
    scene: new PurposeTopics(port, disclosed, "scene"),
    network: new PurposeTopics(port, disclosed, "network"),
    weather: new CrowdTopics(port, disclosed.accounting),
  };
}

/** Who there is, and the registry in which that changes. */
function createServices({ config, keys, redis, keyspace, policies, journal, metrics, log }: OutletsDeps): {
  readonly directory: ServiceDirectory;
  readonly registry: ServiceRegistry;
  onChange(act: () => void): void;
} {
  let changed = (): void => undefined;
  const directory = new ServiceDirectory(
    redis,
    keyspace,
    { tokenKey: keys.token, file: config.services },
    { changed: () => changed(), counted: (origin, count) => metrics.servicesKnown(origin, count), log },
  );
  const registry = new ServiceRegistry(redis, keyspace, keys.token, {
    newestPolicy: () => policies.newest(0),
    inFile: (name) => directory.inFile(name),
    journal: (name, hash, revision) => journal.serviceChanged(name, hash, revision),
    learn: (entry) => directory.learn(entry),
    rememberedMs: config.retention.disclosureDays * DAY_MS,
    now: Date.now,
  });
  return {
    directory,
    registry,
    onChange: (act) => {
      changed = act;
    },
  };
}
