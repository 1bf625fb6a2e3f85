/**
 * Notifies the services which names to forget. The names are computed while the key exists, stored sealed, and deleted
 * once every service has answered or the deadline has passed.
 */
import { type Purpose, SERVICE_PURPOSES, type ServicePurpose } from "../../model/consent.ts";
import { damageIn } from "../../model/damage.ts";
import type { Receipt } from "../../model/erasure.ts";
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym, SubjectTag } from "../../model/ids.ts";
import type { ErasurePorts } from "./ports.ts";
import type { ErasureRecord, ErasureRecords } from "./record.ts";

export type NotedPurpose = Exclude<ServicePurpose, "weather">;
type Names = Partial<Record<NotedPurpose, readonly Pseudonym[]>>;

/** Keeps one message far below the limit of any MQTT client. */
const NAMES_PER_MESSAGE = 1_000;

/** The consented purposes whose services know a device by a name; a weather service never does. */
export function notedPurposes(purposes: readonly Purpose[]): NotedPurpose[] {
  return SERVICE_PURPOSES.filter((purpose) => purpose !== "weather").filter((purpose) => purposes.includes(purpose));
}

export function writeNames(names: Names): string {
  return JSON.stringify(names);
}

/** Recipients in the account that know a device by a name, each once. */
export async function namedRecipients(tag: SubjectTag, ports: ErasurePorts): Promise<NonNullable<Receipt["untold"]>> {
  const named = new Map<string, { purpose: ServicePurpose; recipient: string }>();
  for (const { purpose, recipient } of await disclosed(tag, ports)) {
    if (purpose !== "weather") named.set(`${purpose} ${recipient}`, { purpose, recipient });
  }
  return [...named.values()];
}

/** An account that is damaged names no one. */
async function disclosed(tag: SubjectTag, ports: ErasurePorts): ReturnType<ErasurePorts["disclosures"]["of"]> {
  try {
    return await ports.disclosures.of(tag);
  } catch (error) {
    if (damageIn(error) === undefined) throw error;
    ports.damaged?.("account");
    return [];
  }
}

/** Notifies connected services that have not answered. True while an answer is missing. */
export async function tellServices(
  record: ErasureRecord,
  { ports, records }: { readonly ports: ErasurePorts; readonly records: ErasureRecords },
): Promise<boolean> {
  let waiting = false;
  for (const [purpose, names] of Object.entries(readNames(record, ports)) as [NotedPurpose, Pseudonym[]][]) {
    const services = ports.services(purpose);
    const acknowledged = new Set(services.filter((service) => `ack:${purpose}:${service}` in record.fields));
    if (services.every((service) => acknowledged.has(service))) continue;
    waiting = true;
    const payloads = payloadsOf(record, names);
    for (const service of ports.tell({ id: record.id, purpose, payloads, acknowledged })) {
      await records.setOnce(record, `told:${purpose}:${service}`, ports.now());
    }
  }
  return waiting;
}

function readNames(record: ErasureRecord, ports: ErasurePorts): Names {
  const sealed = record.fields.notices;
  if (sealed === undefined) return {};
  try {
    return JSON.parse(ports.open(sealed)) as Names;
  } catch (error) {
    // The names cannot be computed again; the receipt says that the services did not acknowledge.
    const code = error instanceof GatewayError ? error.code : "ENVELOPE_UNREADABLE";
    ports.log.error("names to forget cannot be decrypted", { code, stage: "erasure" });
    return {};
  }
}

/** `{id, part, parts, at, pseudonyms}`, the same `id` in all of them. */
function payloadsOf({ id, requestedAt }: ErasureRecord, names: readonly Pseudonym[]): string[] {
  const parts = Math.max(1, Math.ceil(names.length / NAMES_PER_MESSAGE));
  return Array.from({ length: parts }, (_, index) => {
    const pseudonyms = names.slice(index * NAMES_PER_MESSAGE, (index + 1) * NAMES_PER_MESSAGE);
    return JSON.stringify({ id, part: index + 1, parts, at: requestedAt, pseudonyms });
  });
}
