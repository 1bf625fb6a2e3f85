/** Wires access and portability: an export reads the ledger, the decisions, the dead letters, and the store. */
import type { ConsentGate } from "../consent/decision/gate.ts";
import { showDecision } from "../consent/decision/show-decision.ts";
import { erasureFacts } from "../consent/ledger/erasure-facts.ts";
import type { Ledger } from "../consent/ledger/ledger.ts";
import { LedgerStore } from "../consent/ledger/store.ts";
import type { Keyring } from "../deidentify/keyring.ts";
import { centerOf } from "../deidentify/location.ts";
import { NO_SUBJECT_KEY } from "../model/consent.ts";
import type { Disclosure } from "../model/disclosure.ts";
import type { SubjectTag } from "../model/ids.ts";
import type { Log } from "../model/log.ts";
import type { SinkReading } from "../model/sink.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { type Part, partOf } from "../platform/lifecycle.ts";
import type { connectRedis } from "../platform/redis.ts";
import type { DeadLetters } from "../queue/dead-letters.ts";
import { setAsideOf } from "../queue/show-letter.ts";
import { Exports } from "../rights/access/export.ts";
import type { ExportPorts, KeyedFacts } from "../rights/access/ports.ts";
import { keyIsWhole } from "../rights/backup/rewrap.ts";
import type { Erasures } from "../rights/erasure/erasures.ts";
import { ErasureRecords } from "../rights/erasure/record.ts";
import { plainly } from "../vocabulary/plain.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";

export interface ExportsDeps {
  readonly redis: ReturnType<typeof connectRedis>;
  readonly keyspace: Keyspace;
  readonly policies: Pick<ExportPorts, "contact">;
  readonly ledger: Pick<Ledger, "record">;
  readonly deviceConnections: ExportPorts["deviceConnections"];
  readonly gate: Pick<ConsentGate, "read">;
  readonly keyring: Pick<Keyring, "pseudonym" | "opens">;
  readonly deadLetters: Pick<DeadLetters, "of">;
  readonly places: ExportPorts["places"];
  readonly network: ExportPorts["network"];
  readonly scenes: ExportPorts["scenes"];
  readonly erasures: Pick<Erasures, "status">;
  readonly rows: SinkReading;
  readonly disclosures: { of(tag: SubjectTag): Promise<readonly Disclosure[]> };
  readonly vocabulary: Pick<Vocabulary, "properties">;
  readonly log: Log;
}

export interface ExportsWiring {
  readonly parts: readonly Part[];
  readonly exports: Exports;
}

export function createExports(deps: ExportsDeps): ExportsWiring {
  const {
    redis,
    keyspace,
    policies,
    ledger,
    deviceConnections,
    gate,
    keyring,
    deadLetters,
    places,
    network,
    scenes,
    erasures,
    rows,
    disclosures,
    vocabulary,
    log,
  } = deps;
  const store = new LedgerStore(redis, keyspace);
  const exports = new Exports({
    contact: () => policies.contact(),
    ledger,
    facts: (tag) => keyedFacts(store, tag),
    decisions: async (tag, devices) => {
      const { decisions, floors } = await gate.read(devices.map((deviceKey) => ({ deviceKey, subjectTag: tag })));
      return decisions.flatMap((decision, index) => {
        const device = devices[index];
        return decision === undefined || device === undefined
          ? []
          : [showDecision(device, decision, floors, Date.now())];
      });
    },
    deviceConnections,
    places,
    network,
    scenes,
    setAside: (tag, device) => setAsideOf(deadLetters, tag, device),
    disclosures,
    erasures,
    erasureRecords: new ErasureRecords(redis, keyspace),
    rows,
    // Some may be added while the gateway runs.
    get properties() {
      return vocabulary.properties.map(plainly);
    },
    keyring,
    keyIsWhole: keyIsWhole(redis, keyspace, keyring, { alone: true }),
    centerOf,
    now: Date.now,
    log,
  });
  return {
    parts: [partOf("row reading", rows)],
    exports,
  };
}

async function keyedFacts(store: LedgerStore, tag: SubjectTag): Promise<KeyedFacts> {
  const { events, wrappedSubjectKey } = await store.read(tag);
  const key = wrappedSubjectKey === NO_SUBJECT_KEY ? undefined : wrappedSubjectKey;
  return { facts: erasureFacts(events), wrappedSubjectKey: key };
}
