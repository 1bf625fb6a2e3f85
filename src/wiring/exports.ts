/** Wires access and portability: an export reads the ledger, the decisions, what was set aside, and the store. */
import { decide } from "../consent/decision/decide.ts";
import type { ConsentGate } from "../consent/decision/gate.ts";
import { erasureFacts } from "../consent/ledger/erasure-facts.ts";
import type { Ledger } from "../consent/ledger/ledger.ts";
import { LedgerStore } from "../consent/ledger/store.ts";
import { suspensionOf } from "../consent/policy/changes.ts";
import type { Keyring } from "../deidentify/keyring.ts";
import { centerOf } from "../deidentify/location.ts";
import type { ExportsPort } from "../http/ports.ts";
import {
  CATEGORIES,
  type Decision,
  type Grants,
  grantsOf,
  NO_SUBJECT_KEY,
  type PolicyFloors,
  PURPOSES,
  usable,
} from "../model/consent.ts";
import type { Disclosure } from "../model/disclosure.ts";
import type { ExportLineOf } from "../model/export.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { Log } from "../model/log.ts";
import type { Part } from "../platform/lifecycle.ts";
import type { connectRedis } from "../platform/redis.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import type { DeadLetters } from "../queue/dead-letters.ts";
import { Exports } from "../rights/access/export.ts";
import type { KeyedFacts } from "../rights/access/ports.ts";
import { summaryOf } from "../rights/access/summary.ts";
import { noKeyOpens } from "../rights/backup/rewrap.ts";
import type { Erasures } from "../rights/erasure/erasures.ts";
import { ErasureRecords } from "../rights/erasure/record.ts";
import { RowReading, type RowReadingOptions } from "../sinks/influx/row-reading.ts";

export interface ExportsDeps {
  readonly config: { readonly sinks: { readonly influx: RowReadingOptions } };
  readonly redis: ReturnType<typeof connectRedis>;
  readonly keys: RedisKeys;
  readonly ledger: Pick<Ledger, "record">;
  readonly gate: Pick<ConsentGate, "read">;
  readonly keyring: Pick<Keyring, "pseudonym" | "opens">;
  readonly deadLetters: Pick<DeadLetters, "of">;
  readonly erasures: Pick<Erasures, "status">;
  readonly disclosures: { of(tag: SubjectTag): Promise<readonly Disclosure[]> };
  readonly log: Log;
}

export interface ExportsWiring {
  readonly parts: readonly Part[];
  readonly http: { readonly exports: ExportsPort };
}

const EVERY_CATEGORY = (1 << CATEGORIES.length) - 1;

export function createExports(deps: ExportsDeps): ExportsWiring {
  const { config, redis, keys, ledger, gate, keyring, deadLetters, erasures, disclosures, log } = deps;
  const records = new ErasureRecords(redis, keys);
  const store = new LedgerStore(redis, keys);
  const rows = new RowReading(config.sinks.influx);
  const exports = new Exports({
    record: (tag) => ledger.record(tag),
    facts: (tag) => keyedFacts(store, tag),
    decisions: async (tag, devices) => {
      const { decisions, floors } = await gate.read(devices.map((deviceKey) => ({ deviceKey, subjectTag: tag })));
      return decisions.flatMap((decision, index) => {
        const device = devices[index];
        return decision === undefined || device === undefined ? [] : [shown(device, decision, floors, Date.now())];
      });
    },
    setAside: (tag, device) => setAside(deadLetters, tag, device),
    disclosures: (tag) => disclosures.of(tag),
    erasures: {
      status: (id) => erasures.status(id),
      read: (id) => records.read(id),
      times: () => records.times(),
    },
    rows,
    pseudonym: (key, device, purpose, epoch) => keyring.pseudonym(key, device, purpose, epoch),
    keyIsWhole: (key) => noKeyOpens(redis, keys, (other) => keyring.opens(other), key, true),
    centerOf,
    now: Date.now,
    log,
  });
  return {
    parts: [{ name: "row reading", start: () => rows.start(), stop: () => rows.stop() }],
    http: { exports: { begin: (tag, request) => exports.begin(tag, request), summary: summaryOf } },
  };
}

async function keyedFacts(store: LedgerStore, tag: SubjectTag): Promise<KeyedFacts> {
  const { events, wrappedSubjectKey } = await store.read(tag);
  const key = wrappedSubjectKey === NO_SUBJECT_KEY ? undefined : wrappedSubjectKey;
  return { facts: erasureFacts(events), wrappedSubjectKey: key };
}

function shown(device: DeviceKey, decision: Decision, floors: PolicyFloors, nowMs: number): ExportLineOf<"decision"> {
  const { state, grants, policyVersion, expiresAt, minor, guardianVerified, held } = decision;
  const verdict = decide(decision, floors, nowMs);
  return {
    kind: "decision",
    device,
    state,
    given: byPurpose(grants),
    used: verdict.refusal === undefined ? byPurpose(usableOf(verdict.grants)) : {},
    ...(verdict.refusal !== undefined && { refusal: verdict.refusal }),
    suspended: suspensionOf(decision, floors, nowMs)?.purposes ?? [],
    policyVersion,
    expiresAt,
    minor,
    guardianVerified,
    held,
  };
}

function byPurpose(grants: Grants): ExportLineOf<"decision">["given"] {
  const given: ExportLineOf<"decision">["given"] = {};
  for (const purpose of PURPOSES) {
    const categories = CATEGORIES.filter((category) => (grants & grantsOf({ [purpose]: [category] })) !== 0);
    if (categories.length > 0) given[purpose] = categories;
  }
  return given;
}

/** A purpose makes no use of what it has no need of, whatever was granted. */
function usableOf(grants: Grants): Grants {
  return PURPOSES.reduce((used, purpose) => {
    const mask = usable(grants, purpose, EVERY_CATEGORY);
    return used | grantsOf({ [purpose]: CATEGORIES.filter((_, bit) => (mask & (1 << bit)) !== 0) });
  }, 0);
}

/** What does not open cannot be told. */
async function* setAside(
  deadLetters: ExportsDeps["deadLetters"],
  tag: SubjectTag,
  device: DeviceKey,
): AsyncGenerator<ExportLineOf<"set-aside">> {
  for await (const { letter, message } of deadLetters.of(tag, device)) {
    if (message === undefined) continue;
    const { model, ip, location, status } = message.telemetry;
    yield {
      kind: "set-aside",
      device,
      at: letter.at,
      reason: letter.reason,
      message: {
        at: message.at,
        ...(model !== undefined && { model }),
        ...(ip !== undefined && { ip }),
        ...(location !== undefined && { location: { lat: location.lat, lon: location.lon } }),
        ...(status !== undefined && { status: { ...status } }),
      },
    };
  }
}
