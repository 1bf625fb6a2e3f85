/** From the record of an erasure to its receipt and its status. */
import {
  RECEIPT_SCHEMA_VERSION,
  type Receipt,
  type ServiceResult,
  type SignedReceipt,
  type SinkResult,
} from "../../model/erasure.ts";
import { notedPurposes } from "./names-to-forget.ts";
import type { ErasableSink, ErasureOptions, ErasurePorts } from "./ports.ts";
import type { ErasureRecord } from "./record.ts";

/** Row counts before each of the deletions. */
const COUNTED = /^(?:rows|swept|freed-[0-9a-f]{8}):/;

export function receiptFrom(record: ErasureRecord, ports: ErasurePorts, options: ErasureOptions): Receipt {
  const { fields, facts } = record;
  const untold = untoldIn(record, ports);
  return {
    schemaVersion: RECEIPT_SCHEMA_VERSION,
    id: record.id,
    controller: options.controller,
    requestedAt: record.requestedAt,
    completedAt: Number(fields.completedAt),
    sinks: ports.sinks.map((sink) => sinkResult(sink, fields)),
    services: serviceResults(record, ports),
    ...(untold.length > 0 && { untold }),
    keyDestroyed: fields.destroyedAt !== undefined,
    policyVersion: facts.policyVersion ?? 0,
    ledgerHead: fields.ledgerHead ?? "",
    ...(facts.unverified && { record: "unverifiable" as const }),
  };
}

/** Who had got data of the subject, has not answered, and is not there any more. */
function untoldIn({ fields }: ErasureRecord, ports: ErasurePorts): NonNullable<Receipt["untold"]> {
  const [heard, before] = [fields.heard, fields.untold].map((text) => {
    const list = parsed<NonNullable<Receipt["untold"]>>(text);
    return Array.isArray(list) ? list : [];
  });
  const gone = (heard ?? []).filter(
    ({ purpose, recipient }) =>
      !ports.services(purpose).includes(recipient) && !(`ack:${purpose}:${recipient}` in fields),
  );
  return [...(before ?? []), ...gone];
}

export function signedReceiptOf({ fields }: ErasureRecord): SignedReceipt | undefined {
  return parsed<SignedReceipt>(fields.receipt);
}

/** `undefined` when there is nothing readable. */
function parsed<T>(text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}

/**
 * Empty until the names to forget are known: no service is notified before. Where they cannot be computed, none ever
 * is.
 */
export function serviceResults({ facts, fields }: ErasureRecord, ports: ErasurePorts): ServiceResult[] {
  if (fields.notices === undefined && fields.nameless === undefined) return [];
  return notedPurposes(facts.purposes).flatMap((purpose) => {
    const prefix = `ack:${purpose}:`;
    const answered = Object.keys(fields).flatMap((field) =>
      field.startsWith(prefix) ? [field.slice(prefix.length)] : [],
    );
    // One that has answered counts, also when it was removed since.
    const services = [...new Set([...ports.services(purpose), ...answered])];
    if (services.length === 0) return [];
    const notified = services.filter((service) => `told:${purpose}:${service}` in fields || answered.includes(service));
    const acknowledged = answered.length;
    return [{ purpose, notified: notified.length, acknowledged, unacknowledged: services.length - acknowledged }];
  });
}

function sinkResult({ name, region }: ErasableSink, fields: ErasureRecord["fields"]): SinkResult {
  const counts = Object.entries(fields).filter(([field]) => COUNTED.test(field) && field.endsWith(`:${name}`));
  return {
    name,
    region,
    rowsDeleted: counts.reduce((sum, [, rows]) => sum + Number(rows), 0),
    ...(fields[`uncounted:${name}`] === "1" && { uncounted: true as const }),
    verified: fields[`verified:${name}`] === "1",
    method: fields[`method:${name}`] === "unlinkable" ? "unlinkable" : "deleted",
  };
}
