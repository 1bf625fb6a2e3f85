/**
 * Which names services must forget: those that went to them, of the present and the former epoch. They are read while the
 * key exists, stored sealed with the erasure, and deleted once every service has answered or the deadline has passed.
 */
import { setImmediate as otherWork } from "node:timers/promises";
import { damageIn } from "../../model/damage.ts";
import type { Receipt } from "../../model/erasure.ts";
import { GatewayError } from "../../model/errors.ts";
import type { NamedService } from "../../model/forwarded-name.ts";
import type { Pseudonym, SubjectTag } from "../../model/ids.ts";
import {
  NAMED_SERVICE_PURPOSES,
  type NamedServicePurpose,
  type Purpose,
  type ServicePurpose,
} from "../../model/purposes.ts";
import type { NotedName } from "./forwarded-names.ts";
import type { ErasurePorts } from "./ports.ts";
import type { ErasureRecord, ErasureRecords } from "./record.ts";

/** Names of one person that it must forget, all until the same time: Unix ms at which it has dropped them in any case. */
export interface NamesToForget extends NamedService {
  readonly until: number;
  readonly names: readonly Pseudonym[];
}

/** One derivation takes tens of microseconds; yield to the event loop after about so many. */
const NAMES_PER_TURN = 500;

/** The consented purposes whose services know a device by a name. */
function notedPurposes(purposes: readonly Purpose[]): NamedServicePurpose[] {
  return NAMED_SERVICE_PURPOSES.filter((purpose) => purposes.includes(purpose));
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

/** `noted`: what stands on the list of the subject. Throws SUBJECT_KEY_UNREADABLE, REDIS_UNAVAILABLE. */
export async function namesToForget(
  noted: readonly NotedName[],
  record: ErasureRecord,
  parts: { readonly ports: ErasurePorts; readonly records: Pick<ErasureRecords, "times"> },
): Promise<NamesToForget[]> {
  const { ports } = parts;
  const found = new Map<string, NamedService & { readonly until: number; readonly names: Set<Pseudonym> }>();
  const add = ({ purpose, service }: NamedService, until: number, name: Pseudonym): void => {
    const field = `${purpose} ${service} ${until}`;
    const known = found.get(field);
    if (known === undefined) found.set(field, { purpose, service, until, names: new Set([name]) });
    else known.names.add(name);
  };
  for (const { purpose, recipient, name, until } of noted) {
    // Also of a service that is not there now: it may be registered again, and is told then.
    if (until <= ports.now()) continue;
    add({ purpose, service: recipient }, until, name);
  }
  for (const { to, until, name } of await workedOut(record, parts)) add(to, until, name);
  return [...found.values()].map((one) => ({ ...one, names: [...one.names] }));
}

/**
 * While the lists do not go back to the begin of the former epoch, as after a restore, names may be missing there: then every
 * service is named all that it can have got since.
 */
async function workedOut(
  record: ErasureRecord,
  { ports, records }: { readonly ports: ErasurePorts; readonly records: Pick<ErasureRecords, "times"> },
): Promise<{ to: NamedService; until: number; name: Pseudonym }[]> {
  const { facts, wrappedSubjectKey } = record;
  const now = ports.now();
  const heard = heardIn(record);
  const { epochLengthsMs, clockWindowFutureMs } = await records.times();
  const since = (await ports.forwarded.since()) ?? Number.POSITIVE_INFINITY;
  const found: { to: NamedService; until: number; name: Pseudonym }[] = [];
  for (const lengthMs of epochLengthsMs) {
    const former = Math.floor(now / lengthMs) - 1;
    if (since + clockWindowFutureMs <= former * lengthMs || wrappedSubjectKey === undefined) continue;
    const last = Math.floor((now + clockWindowFutureMs) / lengthMs);
    for (const purpose of notedPurposes(facts.purposes)) {
      const before = heard.filter((to) => to.purpose === purpose).map(({ service }) => service);
      const services = [...new Set([...ports.services(purpose), ...before])];
      if (services.length === 0) continue;
      for (let epoch = former; epoch <= last; epoch += 1) {
        const until = (epoch + 2) * lengthMs;
        for (const device of facts.devices) {
          const name = ports.keyring.pseudonym(wrappedSubjectKey, device, purpose, epoch);
          const home = purpose === "scene" ? ports.homeName?.(wrappedSubjectKey, device, epoch) : undefined;
          for (const service of services) {
            found.push({ to: { purpose, service }, until, name });
            if (home !== undefined) found.push({ to: { purpose, service }, until, name: home });
          }
          if (found.length % NAMES_PER_TURN < services.length) await otherWork();
        }
      }
    }
  }
  return found;
}

/** The fields of a record that say which names are to be forgotten by whom. */
export function noticeFields(names: readonly NamesToForget[], seal: ErasurePorts["seal"]): Record<string, string> {
  const told = new Set(names.map(({ purpose, service }) => `${purpose}:${service}`));
  const list = names.map(({ purpose, service, until, names: some }) => [purpose, service, until, some]);
  return { notices: seal(JSON.stringify(list)), recipients: [...told].join(" ") };
}

/** `undefined` when none were stored, or they cannot be decrypted. */
export function readNames(
  { fields, facts }: ErasureRecord,
  ports: Pick<ErasurePorts, "open" | "services" | "log">,
): NamesToForget[] | undefined {
  const { notices } = fields;
  if (notices === undefined) return undefined;
  try {
    return namesFrom(JSON.parse(ports.open(notices)), facts.purposes, ports);
  } catch (error) {
    // The names cannot be computed again; the receipt says that the services did not acknowledge.
    const code = error instanceof GatewayError ? error.code : "ENVELOPE_UNREADABLE";
    ports.log.error("names to forget cannot be decrypted", { code, stage: "erasure" });
    return undefined;
  }
}

/**
 * Services that are told of this erasure, as far as they are there now; one that has answered counts also when it was removed since.
 * Empty until that is known.
 */
export function recipientsOf(record: ErasureRecord, ports: Pick<ErasurePorts, "services">): NamedService[] {
  const { fields, facts } = record;
  if (fields.notices === undefined && fields.nameless === undefined) return [];
  // Where the names could not be computed any service may have some; a version of before told each service of a purpose.
  const isListed = fields.nameless === undefined && fields.recipients !== undefined;
  const told = isListed ? listedIn(record) : allServices(facts.purposes, ports);
  const there = told.filter(({ purpose, service }) => ports.services(purpose).includes(service));
  return [...new Map([...there, ...answeredIn(record)].map((to) => [fieldOf("ack", to), to])).values()];
}

/** Services for which there are names to forget, whether they are there now or not. */
export function listedIn({ fields }: ErasureRecord): NamedService[] {
  return (fields.recipients ?? "").split(" ").flatMap(namedServiceFrom);
}

/** Services that had got data of the subject when its account was deleted, by that account. */
export function heardIn({ fields }: ErasureRecord): NamedService[] {
  try {
    const heard = JSON.parse(fields.heard ?? "") as { purpose: NamedServicePurpose; recipient: string }[];
    return heard.map(({ purpose, recipient }) => ({ purpose, service: recipient }));
  } catch {
    return [];
  }
}

function answeredIn({ fields }: ErasureRecord): NamedService[] {
  const answers = Object.keys(fields).filter((field) => field.startsWith(ANSWER));
  return answers.flatMap((field) => namedServiceFrom(field.slice(ANSWER.length)));
}

function namedServiceFrom(text: string): NamedService[] {
  const [purpose, service] = text.split(":") as [NamedServicePurpose, string | undefined];
  return service === undefined ? [] : [{ purpose, service }];
}

/** Those of them whose answer is waited for. */
export function awaitedBy(record: ErasureRecord, ports: Pick<ErasurePorts, "services">): NamedService[] {
  const { fields } = record;
  if (fields.notices === undefined) return [];
  return recipientsOf(record, ports).filter((to) => {
    return fields[fieldOf("ack", to)] === undefined && fields[fieldOf("digest", to)] !== LAPSED;
  });
}

/** In place of a digest: by the time it could have left nothing was to be forgotten any more. */
export const LAPSED = "none";

const ANSWER = "ack:";

/** A field of the record about one service. */
export function fieldOf(what: "told" | "ack" | "digest", { purpose, service }: NamedService): string {
  return `${what}:${purpose}:${service}`;
}

function allServices(purposes: readonly Purpose[], ports: Pick<ErasurePorts, "services">): NamedService[] {
  return notedPurposes(purposes).flatMap((purpose) => ports.services(purpose).map((service) => ({ purpose, service })));
}

type Former = Partial<Record<NamedServicePurpose, readonly Pseudonym[]>>;

/** A version of before stored names by purpose, for all of its services, with no time until when. */
function namesFrom(
  stored: readonly [NamedServicePurpose, string, number, Pseudonym[]][] | Former,
  purposes: readonly Purpose[],
  ports: Pick<ErasurePorts, "services">,
): NamesToForget[] {
  if (Array.isArray(stored))
    return stored.map(([purpose, service, until, names]) => ({ purpose, service, until, names }));
  const former = stored as Former;
  return allServices(purposes, ports).map((to) => ({
    ...to,
    until: Number.MAX_SAFE_INTEGER,
    names: former[to.purpose] ?? [],
  }));
}
