/**
 * Whatever a record holds and however narrow a service is: what it is handed fits the schema of its purpose, which is closed against
 * every other field, and has nothing of a category that the service does not get.
 */
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StatusFilter } from "../../deidentify/status.ts";
import { type CategoryMask, LOCATION, PURPOSE_USES, STATUS } from "../../model/consent.ts";
import type { CrowdTelling } from "../../model/crowd.ts";
import type { StatusFields } from "../../model/deidentified.ts";
import type { Outgoing, Recipient } from "../../model/disclosure.ts";
import { CATEGORIES, type NamedServicePurpose, SERVICE_PURPOSES, type ServicePurpose } from "../../model/purposes.ts";
import { schemaFile } from "../../projections/asyncapi.ts";
import { PROJECTIONS } from "../../projections/projections.ts";
import { Vocabulary } from "../../vocabulary/vocabulary.ts";
import { CrowdTopics } from "./crowd-topics.ts";
import { Accounting } from "./disclosure-accounting.ts";
import { NotedNames } from "./noted-names.ts";
import { PurposeTopics, type PurposeTopicsPort } from "./purpose-topics.ts";

const { properties } = new Vocabulary();
const filter = new StatusFilter(properties);
const ajv = new Ajv2020({ strict: false, validateFormats: false });
const checks = new Map(SERVICE_PURPOSES.map((purpose) => [purpose, ajv.compile(schemaFile(purpose, properties))]));
const RUNS = 400;

type Packet = Readonly<Record<string, unknown>>;

/** Why a service must not have been handed this; empty when it may. */
function faults(purpose: ServicePurpose, categories: CategoryMask, packet: Packet): string[] {
  const check = checks.get(purpose);
  const ofSchema = check?.(packet) === true ? [] : (check?.errors ?? []).map(({ message = "" }) => message);
  const beyond = PROJECTIONS[purpose].fields
    .filter(({ name, of }) => of !== undefined && name in packet && (categories & (1 << CATEGORIES.indexOf(of))) === 0)
    .map(({ name }) => `${name} of a category that it does not get`);
  return [...ofSchema, ...beyond];
}

/** A service of this width alone listens; resolves with what it was handed. */
async function handed(
  purpose: ServicePurpose,
  categories: CategoryMask,
  hand: (port: PurposeTopicsPort, accounting: Accounting, names: NotedNames) => Promise<unknown>,
): Promise<{ readonly packets: Packet[]; readonly topics: string[]; readonly opened: number }> {
  const recipient: Recipient = { index: 0, name: "one", purpose, region: "IN", contract: undefined };
  const packets: Packet[] = [];
  const topics: string[] = [];
  let opened = 0;
  const port: PurposeTopicsPort = {
    to: {
      listening: () => true,
      left: () => undefined,
      outlets: (of) => {
        const deliver = (_name: string, packet: () => Buffer): boolean => {
          packets.push(JSON.parse(packet().toString()) as Packet);
          return true;
        };
        return of === purpose ? [{ recipient, categories, changes: 0, hears: () => true, deliver }] : [];
      },
    },
    packet: (of, name, payload) => {
      topics.push(`${of}/${name}`);
      return Buffer.from(payload);
    },
    counted: () => undefined,
    now: () => Date.UTC(2026, 2, 7, 12),
  };
  const open = async (lines: readonly unknown[]): Promise<void> => {
    opened += lines.length;
  };
  const accounting = new Accounting({ recipients: [recipient], maxLines: 100 }, { open, add: async () => undefined });
  const names = new NotedNames({ recipients: [recipient], maxNames: 10 }, { note: async () => undefined });
  await hand(port, accounting, names);
  return { packets, topics, opened };
}

const name = fc.stringMatching(/^[A-Za-z0-9_-]{22}$/);
const mask = fc.nat({ max: (1 << CATEGORIES.length) - 1 });
const time = fc.nat({ max: 4_000_000_000_000 });
const current = fc.constantFrom(true, undefined);
const CANARY = "canary";

/** Fields that a record has no place for: what messages are made of, what other purposes get, and anything else. */
const extra = fc.dictionary(
  fc.oneof(
    fc.constantFrom(
      ...["id", "ip", "lat", "lon", "location", "subject", "token", "deviceKey", "wrappedSubjectKey", "seq"],
    ),
    fc.constantFrom(...["cell", "center", "ipPrefix", "subjects", "members", "name", "analytics"]),
    fc.string({ maxLength: 12 }).filter((key) => key !== "__proto__"),
  ),
  fc.constantFrom<unknown>(CANARY, 1, { lat: 1, lon: 2 }),
  { maxKeys: 6 },
);

/** What a device may say under every name of the vocabulary, and under others. */
const anyStatus = fc
  .tuple(
    fc.record(
      Object.fromEntries(
        properties.map(({ name: property, min, max, words }) => [
          property,
          fc.oneof(fc.double({ min, max, noNaN: true }), fc.boolean(), fc.constantFrom(...words, CANARY)),
        ]),
      ),
      { requiredKeys: [] },
    ),
    extra,
  )
  .map(([known, unknown]) => ({ ...unknown, ...known }) as StatusFields);

const onAccount = { subject: "one", revision: 1, wrappedSubjectKey: CANARY, at: Date.UTC(2026, 2, 7, 11) };
const outgoing = (result: object): Outgoing => ({ ...onAccount, result }) as unknown as Outgoing;

const anyRecord: Readonly<Record<NamedServicePurpose, fc.Arbitrary<Packet>>> = {
  scene: fc
    .record({
      extra,
      device: name,
      home: fc.option(name, { nil: undefined }),
      model: fc.option(fc.constantFrom("hub", "other"), { nil: undefined }),
      status: anyStatus.map((status) => filter.forScene(status)),
      at: time,
      cause: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
      current,
    })
    .filter(({ status }) => status !== undefined)
    .map(({ extra: beside, ...scene }) => ({ ...beside, ...scene })),
  network: fc
    .record({
      extra,
      device: name,
      model: fc.option(fc.constantFrom("hub", "other"), { nil: undefined }),
      ipPrefix: fc.option(fc.constantFrom("203.0.0.0/16", "2001:db8::/32"), { nil: undefined }),
      at: time,
      current,
    })
    .map(({ extra: beside, ...network }) => ({ ...beside, ...network })),
};

const anyTelling = fc
  .record({
    extra,
    within: extra,
    cell: fc.stringMatching(/^8[0-9a-f]{14}$/),
    center: fc.record({
      lat: fc.double({ min: -90, max: 90, noNaN: true }),
      lon: fc.double({ min: -180, max: 180, noNaN: true }),
    }),
    at: time,
    status: anyStatus.map((status) => filter.forWeather(status)),
    current,
  })
  .filter(({ status }) => status !== undefined)
  .map(({ extra: beside, within, center, ...record }) => ({
    record: { ...beside, ...record, center: { ...within, ...center } },
    members: [{ subject: CANARY, revision: 1 }],
  }))
  .map((telling) => telling as unknown as CrowdTelling);

describe("what a service is handed", () => {
  it.each(["scene", "network"] as const)(
    "of %s has the fields of its purpose and of its categories alone",
    async (purpose) => {
      let told = 0;
      let narrow = 0;
      await fc.assert(
        fc.asyncProperty(anyRecord[purpose], mask, async (record, width) => {
          const categories = width & PURPOSE_USES[purpose];
          const { packets, topics } = await handed(purpose, categories, async (port, accounting, names) => {
            const messages = new PurposeTopics(port, { accounting, names, epochMs: 604_800_000 }, purpose);
            // The other purpose's record lies beside it.
            (
              await messages.announce([
                outgoing({ scene: { ...record, status: CANARY }, network: record, [purpose]: record }),
              ])
            )();
          });
          for (const packet of packets) {
            expect([packet, faults(purpose, categories, packet)]).toEqual([packet, []]);
            // Nothing that it may have is lost on the way: each field of the table that the record has.
            for (const { name: field, of } of PROJECTIONS[purpose].fields) {
              if (of === undefined || (categories & (1 << CATEGORIES.indexOf(of))) !== 0)
                expect([field, packet[field]]).toEqual([field, record[field]]);
            }
          }
          expect(topics).toEqual(packets.map(({ device }) => `${purpose}/${device}`));
          told += packets.length;
          if (categories !== PURPOSE_USES[purpose]) narrow += packets.length;
        }),
        { numRuns: RUNS },
      );
      expect([told > RUNS / 4, narrow > RUNS / 10]).toEqual([true, true]);
    },
  );

  it("of the weather has the fields of its purpose alone, and a service that lacks a category of it gets none, nor a line of the account", async () => {
    let told = 0;
    await fc.assert(
      fc.asyncProperty(anyTelling, mask, async (telling, width) => {
        const categories = width & PURPOSE_USES.weather;
        const { packets, opened } = await handed("weather", categories, async (port, accounting) => {
          (await new CrowdTopics(port, accounting).announce([telling]))();
        });
        expect([packets.length, opened]).toEqual(categories === (LOCATION | STATUS) ? [1, 1] : [0, 0]);
        for (const packet of packets) expect([packet, faults("weather", categories, packet)]).toEqual([packet, []]);
        told += packets.length;
      }),
      { numRuns: RUNS },
    );
    expect(told).toBeGreaterThan(RUNS / 10);
  });

  it("would be found fault with, were there one field more or a category too much", () => {
    const scene = { device: "A".repeat(22), status: { power_on: true }, at: 1 };
    expect(faults("scene", STATUS, scene)).toEqual([]);
    expect(faults("scene", STATUS, { ...scene, model: "hub" })).toEqual(["model of a category that it does not get"]);
    expect(faults("scene", PURPOSE_USES.scene, { ...scene, id: CANARY })).not.toEqual([]);
    expect(faults("scene", PURPOSE_USES.scene, { ...scene, status: { canary: true } })).not.toEqual([]);
  });
});
