/** Erasures on the real consent parts of a running test; its turns are given by the test instead of a queue. */
import { SubjectErasure } from "../../src/consent/ledger/subject-erasure.ts";
import { Keyring } from "../../src/deidentify/keyring.ts";
import type { SignedReceipt } from "../../src/model/erasure.ts";
import { Disclosures } from "../../src/rights/access/disclosures.ts";
import { type DigestPorts, Digests } from "../../src/rights/erasure/digests.ts";
import { Erasures } from "../../src/rights/erasure/erasures.ts";
import { ForwardedNames } from "../../src/rights/erasure/forwarded-names.ts";
import type { ErasureOptions, ErasurePorts } from "../../src/rights/erasure/ports.ts";
import { ErasureRecords } from "../../src/rights/erasure/record.ts";
import { ReceiptSigner } from "../../src/rights/receipts/signer.ts";
import type { Store } from "./consent-fixture.ts";

export const signer = new ReceiptSigner(Buffer.alloc(32, 21));
export const keyring = new Keyring({ masterKey: Buffer.alloc(32, 22), pepper: Buffer.alloc(32, 23) });
export const EPOCH_MS = 7 * 86_400_000;
export const never = new AbortController().signal;

export interface ErasureFixture {
  readonly erasures: Erasures;
  readonly records: ErasureRecords;
  readonly digests: Digests;
  readonly forwarded: ForwardedNames;
  /** Ids that were given a turn. */
  readonly added: string[];
  /** Lets it go on until it is complete. */
  finish(id: string): Promise<SignedReceipt>;
}

export function erasuresOn(
  store: Store,
  ports: Partial<ErasurePorts & Omit<DigestPorts, "metrics">> = {},
  options: Partial<ErasureOptions> = {},
): ErasureFixture {
  const records = new ErasureRecords(store.redis, store.keyspace);
  const added: string[] = [];
  const forwarded = new ForwardedNames(store.redis, store.keyspace, keyring, ports.now);
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const forDigests: DigestPorts = {
    seal: (text) => Buffer.from(text).toString("base64"),
    open: (sealed) => Buffer.from(sealed, "base64").toString(),
    services: () => [],
    now: Date.now,
    wants: () => true,
    tell: () => false,
    wake: async () => undefined,
    log,
    ...ports,
    metrics: { erasureDigest: () => undefined },
  };
  const { digestMs = 0, acknowledgeDeadlineMs = 0 } = options;
  const digests = new Digests(
    store.redis,
    store.keyspace,
    { digestMs, keepMs: acknowledgeDeadlineMs },
    records,
    forDigests,
  );
  const turns = { add: async (id: string) => void added.push(id), wake: async () => undefined };
  const erasures = new Erasures(
    {
      controller: "vendor",
      sweepAfterMs: 0,
      acknowledgeWaitMs: 0,
      acknowledgeDeadlineMs: 0,
      digestMs: 0,
      ...options,
    },
    records,
    turns,
    {
      ledger: new SubjectErasure(store.redis, store.keyspace, { now: ports.now ?? Date.now }),
      leases: store.leases,
      backlog: { batches: async () => [] },
      keyring,
      sinks: [],
      deadLetters: { purge: async () => undefined },
      records: [],
      readings: { forget: async () => undefined },
      disclosures: new Disclosures(store.redis, store.keyspace),
      registrations: store.hubs,
      remnants: { mark: async () => undefined },
      forgetNames: () => undefined,
      forwarded,
      digests,
      hold: async () => undefined,
      journal: async () => undefined,
      signer,
      audit: { note: async () => undefined },
      ...forDigests,
      ...ports,
      metrics: { erasureCompleted: () => undefined, ...ports.metrics },
    },
  );
  return {
    erasures,
    records,
    digests,
    forwarded,
    added,
    finish: async (id) => {
      await records.useEpochLength(EPOCH_MS);
      while ((await erasures.advance(id, never)) !== undefined) await digests.turn();
      const receipt = (await erasures.status(id))?.receipt;
      if (receipt === undefined) throw new Error("finished without a receipt");
      return receipt;
    },
  };
}
