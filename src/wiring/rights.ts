/**
 * Wires the rights of a data subject besides consent: erasure, with its queue, its receipts and the topics on which
 * services answer.
 */
import type { Config } from "../config/schema.ts";
import type { Leases } from "../consent/fence/leases.ts";
import { standingHolds } from "../consent/ledger/holds.ts";
import { SubjectErasure } from "../consent/ledger/subject-erasure.ts";
import type { SubjectTurns } from "../consent/ledger/subject-turns.ts";
import type { Policies } from "../consent/policy/policies.ts";
import type { Keyring } from "../deidentify/keyring.ts";
import type { HttpPorts } from "../http/ports.ts";
import type { TellDamage } from "../model/damage.ts";
import { DAY_MS, MINUTE_MS } from "../model/durations.ts";
import type { Pseudonym } from "../model/ids.ts";
import type { Log } from "../model/log.ts";
import type { ServicePurpose } from "../model/purposes.ts";
import type { Sink } from "../model/sink.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Keys } from "../platform/keys/files.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import type { Part } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import type { connectRedis } from "../platform/redis.ts";
import type { Backlog } from "../queue/backlog.ts";
import type { DeadLetters } from "../queue/dead-letters.ts";
import type { Envelope } from "../queue/envelope.ts";
import type { Disclosures } from "../rights/access/disclosures.ts";
import type { AuditTrail } from "../rights/audit/trail.ts";
import { keyIsWhole } from "../rights/backup/rewrap.ts";
import { DifferingClocks } from "../rights/erasure/differing-clocks.ts";
import { type DigestPorts, Digests } from "../rights/erasure/digests.ts";
import { Erasures } from "../rights/erasure/erasures.ts";
import { KeyRemnants } from "../rights/erasure/key-remnants.ts";
import type { ErasableSink, ErasurePorts } from "../rights/erasure/ports.ts";
import { ErasureQueue } from "../rights/erasure/queue.ts";
import { ErasureRecords } from "../rights/erasure/record.ts";
import { standingHoldOf } from "../rights/erasure/standing-hold.ts";
import { type ErasureSurvey, surveyOf } from "../rights/erasure/survey.ts";
import { ReceiptKeys, receiptKeysMac } from "../rights/receipts/keys.ts";
import { ReceiptSigner } from "../rights/receipts/signer.ts";
import type { ServiceDirectory } from "../services/directory.ts";
import type { PatientStart } from "../sinks/patient-start.ts";
import { storedNameMs } from "./deidentifier.ts";

/** An erasure that a crash or a fault left unscheduled waits at most this long. */
const TAKE_UP_MS = 15_000;
const SURVEY_MS = 2_000;
const COMPARE_CLOCKS_MS = 60_000;
const NAMES_SEAL = "names to forget";
/** How often it is looked whether a digest is due, at least and at most. */
const DIGESTS_MS = { least: 100, most: 10_000 };

type Redis = ReturnType<typeof connectRedis>;

export interface RightsDeps {
  readonly config: Config;
  readonly keys: Pick<Keys, "lookup" | "receipt">;
  readonly keyspace: Keyspace;
  readonly redis: { readonly store: Redis; readonly producer: Redis; readonly worker: Redis };
  readonly policies: Pick<Policies, "contact">;
  readonly leases: Pick<Leases, "acquire" | "drain">;
  readonly turns: SubjectTurns;
  readonly keyring: Pick<Keyring, "pseudonym" | "home" | "forget" | "opens">;
  readonly envelope: Pick<Envelope, "seal" | "open">;
  readonly backlog: Pick<Backlog, "batches">;
  readonly deadLetters: Pick<DeadLetters, "purge">;
  readonly records: ErasurePorts["records"];
  readonly readings: ErasurePorts["readings"];
  readonly disclosures: Pick<Disclosures, "erase" | "of">;
  readonly registrations: ErasurePorts["registrations"];
  readonly directory: Pick<ServiceDirectory, "toldOf">;
  readonly sink: Sink;
  readonly store: Pick<PatientStart, "use">;
  readonly audit: Pick<AuditTrail, "note">;
  /** Notes on disk, outside Redis, that the subject's data must not come back with a backup. */
  readonly journal: ErasurePorts["journal"];
  readonly forwarded: ErasurePorts["forwarded"];
  /** The connections of services to this gateway. */
  readonly services: Pick<DigestPorts, "wants" | "tell">;
  /** Removes from memory everything under these pseudonyms, of any purpose. */
  readonly forgetNames: (names: readonly Pseudonym[]) => void;
  readonly metrics: Pick<Metrics, "erasureCompleted" | "erasureAnswer" | "erasureDigest" | "erasuresOpen" | "gauge">;
  readonly damaged: TellDamage;
  readonly overrides: RightsOverrides;
  readonly log: Log;
}

/** A step that tests and demonstrations may shorten, by composition alone. */
export interface RightsOverrides {
  readonly digestMs?: number;
}

export interface Rights {
  /** In the order in which they start. */
  readonly parts: readonly Part[];
  readonly erasures: Erasures;
  readonly http: Pick<HttpPorts, "erasures" | "receiptKeys" | "signer">;
  /** A service reports that it has deleted its data. Rejects when that could not be recorded. */
  acknowledged(id: string, purpose: ServicePurpose, service: string): Promise<void>;
  /** A service begins to listen on this gateway: what waits for it is told now. Never rejects. */
  listening(): Promise<void>;
  /** A key was deleted from Redis: it leaves the append-only file as well, with the keys of erasures. */
  keyDestroyed(): Promise<void>;
}

export function createRights(deps: RightsDeps): Rights {
  const { config, keys, keyspace, redis, metrics, overrides, log } = deps;
  const digestMs = overrides.digestMs ?? config.erasure.digestMinutes * MINUTE_MS;
  const records = new ErasureRecords(redis.store, keyspace);
  const signer = new ReceiptSigner(keys.receipt);
  const receiptKeys = new ReceiptKeys(redis.store, keyspace, receiptKeysMac(keys.lookup), signer.publicKey);
  const remnants = new KeyRemnants(redis.store, keyspace, log);
  const stopping = new AbortController();
  const differing = new DifferingClocks(redis.store, records, config.mqtt, log);
  const periodic = new Periodic(
    [
      { name: "erasures", everyMs: TAKE_UP_MS, run: () => erasures.takeUp() },
      {
        name: "erasure survey",
        everyMs: SURVEY_MS,
        run: async () => {
          tell(surveyOf(await erasures.open(), Date.now()), metrics);
          const { waiting, overdueMs } = await digests.survey();
          metrics.gauge("erasureNoticesWaiting", waiting);
          metrics.gauge("erasureNoticesOverdue", overdueMs / 1_000);
        },
      },
      {
        name: "erasure digests",
        everyMs: Math.max(DIGESTS_MS.least, Math.min(DIGESTS_MS.most, digestMs / 20)),
        run: () => digests.turn(),
      },
      { name: "clocks", everyMs: COMPARE_CLOCKS_MS, run: () => differing.note() },
      {
        name: "key remnants",
        everyMs: config.erasure.rewriteEveryMinutes * MINUTE_MS,
        run: async () => void (await remnants.clear(stopping.signal)),
      },
    ],
    log,
  );
  const queue = new ErasureQueue(redis, keyspace, { advance: (id, stop) => erasures.advance(id, stop), log });
  const ports = erasurePorts(deps, signer, remnants);
  const digests = new Digests(
    redis.store,
    keyspace,
    { digestMs, keepMs: config.erasure.acknowledgeDays * DAY_MS },
    records,
    { ...ports, ...deps.services, metrics, wake: (id) => queue.wake(id) },
  );
  const erasures: Erasures = new Erasures(
    {
      controller: config.consent.controller,
      contact: () => deps.policies.contact(),
      sweepAfterMs: config.erasure.sweepAfterMs,
      acknowledgeWaitMs: config.erasure.acknowledgeWaitMs,
      acknowledgeDeadlineMs: config.erasure.acknowledgeDays * DAY_MS,
      digestMs,
    },
    records,
    queue,
    { ...ports, digests },
  );

  return {
    parts: [
      {
        name: "epochs",
        start: async () => {
          await records.useEpochLength(config.deidentify.epochDays * DAY_MS);
          await records.useEpochLength(storedNameMs(config.deidentify));
          await records.useClockWindow(config.mqtt.clockWindowPastMs, config.mqtt.clockWindowFutureMs);
          await differing.note();
        },
        stop: () => undefined,
      },
      { name: "receipt keys", start: () => receiptKeys.start(), stop: () => undefined },
      {
        name: "erasures",
        start: async () => {
          await queue.start();
          await erasures.takeUp();
        },
        stop: () => queue.stop(),
      },
      {
        name: "erasure upkeep",
        start: () => {
          if (overrides.digestMs !== undefined) log.warn("digests of erasures are shortened", { stage: "erasure" });
          periodic.start();
        },
        stop: () => {
          periodic.stop();
          stopping.abort();
        },
      },
    ],
    erasures,
    http: { erasures, receiptKeys, signer },
    keyDestroyed: () => remnants.mark(),
    acknowledged: async (id, purpose, service) => {
      const expected = await digests.acknowledge(id, purpose, service);
      metrics.erasureAnswer(expected ? "accepted" : "unexpected");
    },
    listening: async () => {
      await digests.tell().catch(() => log.warn("service not told yet, will be retried", { stage: "erasure" }));
    },
  };
}

function tell({ running, held, oldestMs, unanswered }: ErasureSurvey, metrics: RightsDeps["metrics"]): void {
  metrics.erasuresOpen({ running, held });
  metrics.gauge("erasureOldest", oldestMs / 1_000);
  metrics.gauge("servicesUnanswered", unanswered);
}

function erasurePorts(deps: RightsDeps, signer: ReceiptSigner, remnants: KeyRemnants): Omit<ErasurePorts, "digests"> {
  const { keyspace, redis, keyring, envelope } = deps;
  return {
    ...deps,
    ledger: new SubjectErasure(redis.store, keyspace, { turns: deps.turns, now: Date.now }),
    sinks: [erasableSink(deps)],
    signer,
    remnants,
    seal: (text) => JSON.stringify(envelope.seal(text, NAMES_SEAL)),
    open: (sealed) => envelope.open(JSON.parse(sealed), NAMES_SEAL),
    services: (purpose) => deps.directory.toldOf(purpose),
    homeName: deps.config.deidentify.homes
      ? (wrappedKey, device, epoch) => deps.keyring.home(wrappedKey, device, epoch)
      : undefined,
    hold: async (tag) => standingHoldOf(await standingHolds(redis.store, keyspace, tag, () => deps.damaged("ledger"))),
    // With no one else's key to compare with: it is erased all the same, and the receipt claims nothing.
    keyIsWhole: keyIsWhole(redis.store, keyspace, keyring, { alone: false }),
    now: Date.now,
  };
}

/** The store accepts no query before it has started. */
function erasableSink({ sink, store }: Pick<RightsDeps, "sink" | "store">): ErasableSink {
  return {
    name: sink.name,
    region: sink.region,
    rowDelete: (signal) => store.use(() => sink.rowDelete(signal)),
    countRows: (devices, signal) => store.use(() => sink.countRows(devices, signal)),
    removeDevices: (devices, signal) => store.use(() => sink.removeDevices(devices, signal)),
  };
}
