/** From the record of an erasure to its receipt and its status. */

import {
  RECEIPT_SCHEMA_VERSION,
  type Receipt,
  type ServiceResult,
  type SignedReceipt,
  type SinkResult,
} from "../../model/erasure.ts";
import type { NamedService } from "../../model/forwarded-name.ts";
import { SERVICE_PURPOSES } from "../../model/purposes.ts";
import { fieldOf, heardIn, LAPSED, listedIn, recipientsOf } from "./names-to-forget.ts";
import type { ErasableSink, ErasureOptions, ErasurePorts } from "./ports.ts";
import type { ErasureRecord } from "./record.ts";

/** Row counts before each of the deletions. */
const COUNTED = /^(?:rows|swept|freed-[0-9a-f]{8}):/;

export async function receiptFrom(
  record: ErasureRecord,
  ports: ErasurePorts,
  options: ErasureOptions,
): Promise<Receipt> {
  const { fields, facts } = record;
  const contact = await options.contact?.();
  const untold = untoldIn(record, ports);
  return {
    schemaVersion: RECEIPT_SCHEMA_VERSION,
    id: record.id,
    controller: options.controller,
    ...(contact && { contact }),
    requestedAt: record.requestedAt,
    completedAt: Number(fields.completedAt),
    sinks: ports.sinks.map((sink) => sinkResult(sink, fields)),
    services: serviceResults(record, ports, options.digestMs),
    ...(untold.length > 0 && { untold }),
    keyDestroyed: fields.destroyedAt !== undefined,
    policyVersion: facts.policyVersion ?? 0,
    ledgerHead: fields.ledgerHead ?? "",
    ...(facts.unverified && { record: "unverifiable" as const }),
  };
}

/** Who had got data or names of the subject, has not answered, and is not there any more. */
function untoldIn(record: ErasureRecord, ports: ErasurePorts): NonNullable<Receipt["untold"]> {
  const { fields } = record;
  const gone = [...heardIn(record), ...listedIn(record)].filter(
    (to) => !ports.services(to.purpose).includes(to.service) && fields[fieldOf("ack", to)] === undefined,
  );
  const before = parsed<NonNullable<Receipt["untold"]>>(fields.untold);
  const untold = [
    ...(Array.isArray(before) ? before : []),
    ...gone.map(({ purpose, service }) => ({ purpose, recipient: service })),
  ];
  return [...new Map(untold.map((one) => [`${one.purpose} ${one.recipient}`, one])).values()];
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
export function serviceResults(
  record: ErasureRecord,
  ports: Pick<ErasurePorts, "services">,
  digestMs: number,
): ServiceResult[] {
  const { fields } = record;
  const recipients = recipientsOf(record, ports);
  return SERVICE_PURPOSES.flatMap((purpose) => {
    const services = recipients.filter((to) => to.purpose === purpose);
    if (services.length === 0) return [];
    const answered = services.filter((to) => fields[fieldOf("ack", to)] !== undefined);
    const notified = services.filter((to) => fields[fieldOf("told", to)] !== undefined || answered.includes(to));
    const waiting = services.filter((to) => awaitsDigest(to, record) && !answered.includes(to));
    const ids = services.flatMap((to) => fields[fieldOf("digest", to)] ?? []).filter((id) => id !== LAPSED);
    const result = {
      purpose,
      notified: notified.length,
      acknowledged: answered.length,
      unacknowledged: services.length - answered.length,
      ...(waiting.length > 0 && { waiting: waiting.length }),
      ...(waiting.length > 0 && fields.notifyAt !== undefined && { notifyBy: Number(fields.notifyAt) + digestMs }),
      ...(ids.length > 0 && { notices: ids.sort() }),
    };
    return [result];
  });
}

function awaitsDigest(to: NamedService, { fields }: ErasureRecord): boolean {
  return fields.notices !== undefined && fields[fieldOf("digest", to)] === undefined;
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
