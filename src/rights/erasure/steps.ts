/**
 * The steps of an erasure. A completed step starts the next one; a step that must wait returns for how long
 * and is called again. Each can be interrupted anywhere and started again.
 *
 *   drain → backlog → delete → sweep → dead-letters → notices → destroy-key → notify → receipt → remind
 */
import { createHash } from "node:crypto";
import type { ErasureStep, Receipt } from "../../model/erasure.ts";
import type { DeviceKey, Pseudonym } from "../../model/ids.ts";
import { PSEUDONYM_PURPOSES } from "../../model/purposes.ts";
import { receiptHash } from "../receipts/signer.ts";
import { type DeletionParts, deleteFrom, type GoOn, namesOf, storedNames } from "./deletion.ts";
import { awaitedBy, namedRecipients, namesToForget, noticeFields, readNames } from "./names-to-forget.ts";
import { receiptFrom, signedReceiptOf } from "./receipt-of-erasure.ts";
import type { ErasureRecord } from "./record.ts";

export interface StepParts extends DeletionParts {
  /**
   * By erasure id, the batches in the queue when it began to wait; kept in memory only and counted again after a
   * restart.
   */
  readonly awaited: Map<string, ReadonlySet<string>>;
}

export interface StepRun {
  readonly stop: AbortSignal;
  readonly goOn: GoOn;
}

/** Milliseconds to wait before it is called again; `undefined` once it is done. */
type Step = (record: ErasureRecord, parts: StepParts, run: StepRun) => Promise<number | undefined>;

/** A hold ended the step: the next call finds the hold. */
const HELD_UP_MS = 0;

const DRAIN_AGAIN_MS = 50;
const MIN_BACKLOG_POLL_MS = 250;
const MAX_BACKLOG_POLL_MS = 5_000;
const NOTIFY_POLL_MS = 250;
const MIN_REMIND_MS = 2_000;
const MAX_REMIND_MS = 600_000;

const drain: Step = async (record, { ports, records }) => {
  // Again, in case the process ended right after the erasure began.
  await ports.journal(record.tag, record.id, "asked");
  await records.entomb(record);
  return (await ports.leases.drain(record.tag)).drained ? undefined : DRAIN_AGAIN_MS;
};

const backlog: Step = async ({ id }, { ports, awaited }) => {
  const queued = new Set(await ports.backlog.batches());
  const left = new Set([...(awaited.get(id) ?? queued)].filter((batch) => queued.has(batch)));
  if (left.size > 0) awaited.set(id, left);
  else awaited.delete(id);
  // A long backlog is a long answer, so it is queried less often.
  return left.size > 0 ? Math.min(MAX_BACKLOG_POLL_MS, Math.max(MIN_BACKLOG_POLL_MS, left.size)) : undefined;
};

const deletion: Step = async (record, parts, run) => {
  const names = await storedNames(record, parts);
  for (const sink of parts.ports.sinks) {
    if (!(await deleteFrom(sink, names, "rows", record, parts, run))) return HELD_UP_MS;
  }
  await parts.records.setOnce(record, "sweepAt", parts.ports.now() + parts.options.sweepAfterMs);
  return undefined;
};

/**
 * For a subject with a hold on only some devices: deletes the rows of the others. Done once for the same devices; the
 * following steps, and the key, wait for the end of the hold.
 */
export async function deleteUnheld(
  record: ErasureRecord,
  held: ReadonlySet<DeviceKey>,
  parts: StepParts,
  run: StepRun,
): Promise<void> {
  const spared = createHash("sha256")
    .update([...held].sort().join())
    .digest("hex")
    .slice(0, 8);
  if (record.fields.spared === spared) return;
  const devices = record.facts.devices.filter((device) => !held.has(device));
  const names = await storedNames({ ...record, facts: { ...record.facts, devices } }, parts);
  for (const sink of parts.ports.sinks) {
    if (!(await deleteFrom(sink, names, `freed-${spared}`, record, parts, run))) return;
  }
  await parts.ports.deadLetters.purge(record.tag, devices);
  for (const kind of parts.ports.records) await kind.forget(record.tag, devices);
  await parts.records.set(record, { spared });
}

const sweep: Step = async (record, parts, run) => {
  const { sweepAfterMs } = parts.options;
  const waitMs = Number(record.fields.sweepAt ?? 0) - parts.ports.now();
  if (waitMs > sweepAfterMs) {
    // Recorded by a clock that was ahead: without this the step would wait until that day.
    await parts.records.set(record, { sweepAt: parts.ports.now() + sweepAfterMs });
    return sweepAfterMs;
  }
  if (waitMs > 0 && record.wrappedSubjectKey !== undefined) return waitMs;
  const names = await storedNames(record, parts);
  for (const sink of parts.ports.sinks) {
    if (!(await deleteFrom(sink, names, "swept", record, parts, run))) return HELD_UP_MS;
  }
  return undefined;
};

const deadLetters: Step = async (record, { ports, records }) => {
  const { tag, id } = record;
  // By subject: what a new owner of a device has there stays.
  await ports.deadLetters.purge(tag, "all");
  for (const kind of ports.records) await kind.forget(tag, record.facts.devices);
  await ports.readings.forget(tag);
  for (const device of record.facts.devices) await ports.registrations.forget(tag, device);
  const heard = await namedRecipients(tag, ports);
  // Once: after the account is deleted these recipients are no longer known. Each may be removed before it has answered.
  if (heard.length > 0) await records.setOnce(record, "heard", JSON.stringify(heard));
  await ports.disclosures.erase(tag, id);
  return undefined;
};

const notices: Step = async (record, parts) => {
  const { ports, records } = parts;
  const { tag, wrappedSubjectKey, fields } = record;
  if (wrappedSubjectKey === undefined || fields.unreadable !== undefined) {
    // Services that know a device by a name are sent no names; the receipt says so.
    await records.set(record, { nameless: 1 });
    return undefined;
  }
  const noted = await ports.forwarded.of(tag, wrappedSubjectKey);
  // Once: when this was interrupted, a part of the list may be gone already.
  if (readNames(record, ports) === undefined)
    await records.set(record, noticeFields(await namesToForget(noted, record, parts), ports.seal));
  await ports.forwarded.forget(
    tag,
    noted.map(({ note }) => note),
  );
  return undefined;
};

const destroyKey: Step = async (record, parts) => {
  const { ports, records } = parts;
  // Not only names of consented purposes: for weather, a device's location is kept under an analytics name.
  const names: Pseudonym[] = [];
  for (const purpose of PSEUDONYM_PURPOSES) names.push(...(await namesOf(record, parts, purpose)));
  await ports.journal(record.tag, record.id, "destroyed");
  if (!(await ports.ledger.destroyKey(record.tag, record.id))) return HELD_UP_MS;
  await ports.remnants.mark();
  for (const device of record.facts.devices) ports.keyring.forget(device);
  ports.forgetNames(names);
  await records.entomb((await records.read(record.id)) ?? record);
  return undefined;
};

const notify: Step = async (record, parts) => {
  const { options } = parts;
  const waitedMs = await sinceNoted("notifyAt", record, parts);
  if (!(await awaitServices(record, parts))) return undefined;
  return waitedMs < options.acknowledgeWaitMs ? NOTIFY_POLL_MS : undefined;
};

const receipt: Step = async (record, { ports, records, options }) => {
  await records.setOnce(record, "completedAt", ports.now());
  const known = (await records.read(record.id)) ?? record;
  const made = await receiptFrom(known, ports, options);
  const signed = JSON.stringify(ports.signer.sign(made));
  const garbled = known.fields.receipt !== undefined && signedReceiptOf(known) === undefined;
  if (garbled) await records.replace(record, "receipt", known.fields.receipt ?? "", signed);
  const first = await records.setOnce(record, "receipt", signed);
  await ports.audit.note({
    act: "erasure-completed",
    by: "gateway",
    subject: record.tag,
    detail: { erasure: record.id },
  });
  const unlinkable = made.sinks.some(({ method }) => method === "unlinkable");
  if (first)
    ports.metrics.erasureCompleted(
      unlinkable ? "unlinkable" : "deleted",
      Math.max(0, ports.now() - record.requestedAt),
    );
  return undefined;
};

const remind: Step = async (record, parts) => {
  const { ports, records, options } = parts;
  const sinceMs = await sinceNoted("remindAt", record, parts, Number(record.fields.completedAt ?? ports.now()));
  if (sinceMs < options.acknowledgeDeadlineMs && (await awaitServices(record, parts))) {
    return Math.min(MAX_REMIND_MS, Math.max(MIN_REMIND_MS, sinceMs / 10));
  }
  const known = (await records.read(record.id)) ?? record;
  const first = signedReceiptOf(known)?.receipt;
  const last = await receiptFrom(known, ports, options);
  // Only when services answered, came or went after the first receipt; and it replaces only that first one.
  if (first !== undefined && JSON.stringify(answersIn(last)) !== JSON.stringify(answersIn(first))) {
    const signed = ports.signer.sign({ ...last, prev: receiptHash(first) });
    await records.replace(record, "receipt", known.fields.receipt ?? "", JSON.stringify(signed));
  }
  return undefined;
};

function answersIn({ services, untold }: Receipt): Pick<Receipt, "services" | "untold"> {
  return { services, untold };
}

/** Sees to it that a digest tells each service that has not answered. True while an answer is missing. */
async function awaitServices(record: ErasureRecord, { ports }: StepParts): Promise<boolean> {
  const awaited = awaitedBy(record, ports);
  if (awaited.length > 0) await ports.digests.join(record, awaited);
  return awaited.length > 0;
}

/**
 * Milliseconds since a time recorded at the first call; `first` once it has passed. A time in the future, from a clock
 * that was ahead, counts as now: otherwise the step would last until that day.
 */
async function sinceNoted(
  field: "notifyAt" | "remindAt",
  record: ErasureRecord,
  { ports, records }: StepParts,
  first = ports.now(),
): Promise<number> {
  const now = ports.now();
  const noted = record.fields[field];
  const at = Math.min(now, Number(noted ?? first));
  if (noted !== String(at)) await records.set(record, { [field]: at });
  return now - at;
}

export const STEPS: Readonly<Record<ErasureStep, Step>> = {
  drain,
  backlog,
  delete: deletion,
  sweep,
  "dead-letters": deadLetters,
  notices,
  "destroy-key": destroyKey,
  notify,
  receipt,
  remind,
};
