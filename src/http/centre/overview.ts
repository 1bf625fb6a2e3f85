/** Everything the page shows when it opens, read each time: nothing of it is cached. */
import { standingsOf } from "../../consent/ledger/standing.ts";
import { type CentreOverview, centreOverview } from "../../model/centre.ts";
import { type PolicyFloors, PURPOSE_NEEDS } from "../../model/consent.ts";
import type { ConsentRecord } from "../../model/consent-record.ts";
import type { DeviceConnection } from "../../model/device-connection.ts";
import type { Disclosure } from "../../model/disclosure.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { type PolicyDocument, policyDocument } from "../../model/policy-document.ts";
import { CATEGORIES, type Category, PURPOSES } from "../../model/purposes.ts";
import { categoriesOf as givenOf } from "../../model/service-terms.ts";
import { EXAMPLE } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import type { SessionClaims } from "./claims.ts";
import { devicesEver, latestErasure } from "./record.ts";

export const OVERVIEW_EXAMPLE = {
  now: 1_767_225_600_000,
  by: "subject" as const,
  session: "mL0V1cPq4o8s2Zk7Yw3TnX",
  endsAt: 1_767_226_500_000,
  endsAtLatest: 1_767_229_200_000,
  controller: "vendor",
  contact: { name: "Data protection office", email: "privacy@example.com" },
  head: EXAMPLE.head,
  policy: {
    version: 1,
    title: "Smart-home telemetry",
    language: "en",
    effectiveFrom: "2022-06-17",
    hash: EXAMPLE.policyHash,
    statements: [{ clause: "2.3", says: "Saying no to one purpose leaves the others as they are." }],
  },
  minor: false,
  guardian: false,
  standing: {
    state: "given" as const,
    used: { scene: ["status" as const] },
    waiting: {},
    suspended: [],
    at: 1_767_225_600_000,
    expiresAt: 1_798_761_600_000,
    policyVersion: 1,
  },
  purposes: [
    {
      id: "scene" as const,
      description: "Device states under a pseudonym let a scene service act on what happens at home.",
      basis: "consent" as const,
      recipients: ["scene services"],
      regions: ["IN"],
      services: [{ name: "scenes-north", recipient: "scene services", region: "IN", gets: ["status" as const] }],
      retentionDays: 0,
      offered: ["model" as const, "status" as const],
      needs: ["status" as const],
      closed: false,
    },
  ],
  devices: [
    {
      number: 1,
      label: "Hallway hub",
      held: false,
      connected: true,
      heardAt: 1_767_225_590_000,
      dialect: "zigbee2mqtt",
      hub: { children: 2, otherSubjects: 1 },
    },
    { number: 2, held: false, connected: false, behind: { number: 1, otherSubject: false } },
  ],
  seenHere: { since: 1_767_200_000_000, alone: true },
  disclosed: [],
  closed: false,
};

export const overviewAnswer = centreOverview.meta({ examples: [OVERVIEW_EXAMPLE] });

/** What is on record about the person of a session. */
export interface Person {
  readonly record: ConsentRecord;
  readonly policy: { readonly document: PolicyDocument; readonly hash: string };
  readonly floors: PolicyFloors;
  readonly minor: boolean;
  /** An erasure was asked for since the session began. */
  readonly closed: boolean;
}

/** `undefined` when nothing is held about them. */
export async function personOf(ports: HttpPorts, session: SessionClaims): Promise<Person | undefined> {
  const [record, versions, floors] = await Promise.all([
    ports.ledger.record(session.tag),
    ports.policies.list(),
    ports.policies.floors(),
  ]);
  const policy = await ports.policies.get(versions.at(-1)?.version ?? 0);
  if (record === undefined || policy === undefined) return undefined;
  return {
    record,
    policy: { document: policyDocument.parse(JSON.parse(policy.text)), hash: policy.hash },
    floors,
    minor: record.minor || session.by === "guardian",
    closed: isClosed(record, session),
  };
}

/** An erasure that the gateway begins by itself, such as of a minor's data, closes no session. */
function isClosed(record: ConsentRecord, session: SessionClaims): boolean {
  return record.events.some(
    (event) => event.type === "erasure-requested" && event.by !== "controller" && event.at >= session.iat,
  );
}

export async function overviewOf(ports: HttpPorts, session: SessionClaims, person: Person): Promise<CentreOverview> {
  const { record, policy, floors, minor, closed } = person;
  const now = Date.now();
  const standingOf = standingsOf(record, { floors, now, minor });
  const { version, title, language, effectiveFrom, statements } = policy.document;
  const erasure = latestErasure(record);
  const [contact, connections, status, keys, disclosures] = await Promise.all([
    ports.policies.contact(),
    ports.deviceConnections.of(
      session.tag,
      record.devices.map(({ device }) => device),
    ),
    erasure && ports.erasures.status(erasure.erasure),
    erasure && ports.receiptKeys.all(),
    ports.disclosures.of(session.tag),
  ]);
  return {
    now,
    by: session.by,
    session: session.id,
    endsAt: session.exp,
    endsAtLatest: session.most,
    controller: record.controller,
    ...(contact && { contact }),
    head: record.head,
    policy: { version, title, language, effectiveFrom, hash: policy.hash, statements },
    minor,
    guardian: record.guardian?.status === "verified",
    ...(record.holds.length > 0 && { heldUntil: Math.max(...record.holds.map(({ until }) => until)) }),
    standing: standingOf(record.consent),
    purposes: purposesOf(policy.document, minor, ports.services),
    devices: devicesOf(record, session, standingOf, connections, ports.seen),
    seenHere: ports.seen.here(),
    disclosed: summedUp(disclosures),
    closed,
    ...(status && keys && { erasure: { status, keys: [...keys] } }),
  };
}

/** One line for each recipient and purpose, over all days; they come oldest first. */
function summedUp(disclosures: readonly Disclosure[]): CentreOverview["disclosed"] {
  const sums = new Map<string, CentreOverview["disclosed"][number]>();
  for (const { recipient, purpose, region, count, day } of disclosures) {
    const key = [recipient, purpose, region].join(" ");
    const sum = sums.get(key) ?? { recipient, purpose, region, count: 0, from: day, to: day };
    sums.set(key, { ...sum, count: sum.count + count, to: day });
  }
  return [...sums.values()];
}

function purposesOf(document: PolicyDocument, minor: boolean, live: HttpPorts["services"]): CentreOverview["purposes"] {
  return PURPOSES.flatMap((id) => {
    const terms = document.purposes[id];
    if (terms === undefined) return [];
    const { description, basis, recipients, regions, retentionDays, categories } = terms;
    const closed = minor && id === "analytics";
    const needs = categoriesOf(PURPOSE_NEEDS[id]);
    const services = servicesOf(id, live);
    return [
      { id, description, basis, recipients, regions, services, retentionDays, offered: categories, needs, closed },
    ];
  });
}

/** As this gateway knows them. */
function servicesOf(
  id: (typeof PURPOSES)[number],
  { directory, coverage }: HttpPorts["services"],
): CentreOverview["purposes"][number]["services"] {
  return directory.all().flatMap(({ name, recipient, region, purposes, categories }) => {
    const purpose = purposes.find((one) => one === id);
    if (purpose === undefined || !coverage.covers(name, purpose)) return [];
    return [{ name, recipient, region, gets: categoriesOf(givenOf(purpose, categories)) }];
  });
}

function categoriesOf(mask: number): Category[] {
  return CATEGORIES.filter((_, bit) => (mask & (1 << bit)) !== 0);
}

function devicesOf(
  record: ConsentRecord,
  { labels, tag }: SessionClaims,
  standingOf: ReturnType<typeof standingsOf>,
  connections: ReadonlyMap<DeviceKey, DeviceConnection>,
  seen: HttpPorts["seen"],
): CentreOverview["devices"] {
  const names = new Map(labels);
  const bound = new Map(record.devices.map(({ device, consent }) => [device, consent]));
  const ever = devicesEver(record);
  return ever.flatMap((device, index) => {
    if (!bound.has(device)) return [];
    const number = index + 1;
    const label = names.get(number);
    const own = bound.get(device);
    const { dialect, behind, hub } = connections.get(device) ?? {};
    const { connected, heardAt } = seen.of({ deviceKey: device, subjectTag: tag });
    const place = behind?.hub === undefined ? 0 : ever.indexOf(behind.hub as DeviceKey) + 1;
    return [
      {
        number,
        ...(label !== undefined && { label }),
        ...(own && { own: standingOf(own) }),
        connected,
        ...(heardAt !== undefined && { heardAt }),
        held: record.holds.some(({ devices }) => devices?.includes(device) ?? true),
        ...(behind && { behind: { ...(place > 0 && { number: place }), otherSubject: behind.otherSubject } }),
        ...(hub && { hub }),
        ...(dialect !== undefined && { dialect }),
      },
    ];
  });
}
