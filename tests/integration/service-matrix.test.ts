/**
 * Purpose by category by consent by service by how it listens: exactly those fields arrive at exactly those connections that the contract
 * names, before and after people and services change, and nothing else arrives anywhere.
 */
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SERVICE_PURPOSES } from "../../src/model/purposes.ts";
import { RECIPIENTS } from "../../tools/stack/scratch-config.ts";
import { connectMqtt, disconnectMqtt } from "../../tools/wire/connection.ts";
import { versionOf } from "../../tools/wire/mqtt-wire.ts";
import { subscribe } from "../../tools/wire/service-subscriber.ts";
import { until } from "../fixtures/eventually.ts";
import {
  differences,
  expectations,
  KINDS,
  listenerOf,
  MODELS,
  messageOf,
  type Packet,
  type Phase,
  ROWS,
  type Row,
  SHARED,
} from "../fixtures/service-matrix.ts";
import { consentTo, type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

interface Speaker {
  readonly row: Row;
  readonly device: Device;
  readonly client: MqttClient;
}

interface Connection {
  readonly kind: string;
  readonly listener: string;
  readonly client: MqttClient;
  heard: number;
}

const RECIPIENT = RECIPIENTS.scene;
const LONG_MS = 300_000;

let system: TestSystem;
let speakers: Speaker[];
let connections: Connection[];
let packets: Packet[] = [];
/** What was heard in each phase. */
const observed = new Map<Phase, readonly Packet[]>();

beforeAll(async () => {
  system = await startSystem({ deidentify: { models: MODELS } }, { shortSteps: true });
  await publishPolicy(2, "material", ["IN", "DE"]);
  [speakers, connections] = await Promise.all([
    Promise.all(ROWS.map(speakersOf)).then((all) => all.flat()),
    Promise.all(Object.keys(KINDS).map(connectionsOf)).then((all) => all.flat()),
  ]);
}, LONG_MS);
afterAll(async () => {
  await Promise.all((connections ?? []).map(({ client }) => disconnectMqtt(client)));
  await system?.stop();
});

/** Every recipient of the shipped policy may have everything for services, in these regions; the network's can be fewer. */
async function publishPolicy(version: number, kind: string, regions: string[], fewer: string[] = []): Promise<void> {
  const { api } = system.stack;
  const document = (await api.call("GET", "/v1/policies/{version}", ["1"])) as { purposes: Record<string, object> };
  const recipients = Object.values(RECIPIENTS);
  const terms = SERVICE_PURPOSES.map((purpose) => {
    const named = purpose === "network" ? recipients.filter((one) => !fewer.includes(one)) : recipients;
    return [purpose, { ...document.purposes[purpose], regions, recipients: named }];
  });
  const purposes = { ...document.purposes, ...Object.fromEntries(terms) };
  const change = { kind, summary: "Other recipients.", ...(kind === "material" && { affects: SERVICE_PURPOSES }) };
  await api.call("POST", "/v1/policies", [], { ...document, version, change, purposes });
}

const consentOf = ({ purpose }: Row, categories: Row["before"]) =>
  consentTo({ [purpose]: categories }, { policyVersion: 2 });

async function speakersOf(row: Row): Promise<Speaker[]> {
  const consent = row.before.length === 0 ? null : consentOf(row, row.before);
  const devices = await system.devices(row.people, { consent });
  return Promise.all(devices.map(async (device) => ({ row, device, client: await system.connect(device) })));
}

const nameOf = (kind: string, shared: string) => `${kind}-${shared}`;
const put = (kind: string, shared: string, more: object = {}) =>
  system.stack.api.call("PUT", "/v1/services/{service}", [nameOf(kind, shared)], {
    ...{ purposes: SERVICE_PURPOSES, region: "IN", relation: "third-party", recipient: RECIPIENT },
    ...KINDS[kind]?.entry,
    ...more,
  });

/** A service for each way of listening: what one of them divides is nothing to the others. */
async function connectionsOf(kind: string): Promise<Connection[]> {
  const all: Connection[] = [];
  for (const [shared, ways] of Object.entries(SHARED)) {
    await put(kind, shared);
    const username = nameOf(kind, shared);
    const { token } = (await system.stack.api.call("POST", "/v1/services/{service}/tokens", [username])) as {
      token: string;
    };
    for (const [index, [way, group]] of ways.entries()) {
      const login = { clientId: `${username}-${index}`, username, password: token, protocolVersion: versionOf(index) };
      const client = await connectMqtt(system.stack.mqttUrl, login);
      const connection: Connection = { kind, listener: listenerOf(kind, shared, way), client, heard: 0 };
      client.on("message", (topic, payload) => {
        connection.heard += 1;
        packets.push({ listener: connection.listener, topic, payload: JSON.parse(payload.toString()) });
      });
      const filters = SERVICE_PURPOSES.map((one) => `${group ? `$share/${group}/` : ""}processed/${one}/#`);
      expect(await subscribe(client, filters)).toBe("granted");
      all.push(connection);
    }
  }
  return all;
}

async function say(phase: Phase, who: (row: Row) => boolean): Promise<void> {
  await Promise.all(
    speakers
      .filter(({ row }) => who(row))
      .map(({ row, device, client }) =>
        client.publishAsync(`devices/${device.id}/telemetry`, JSON.stringify(messageOf(row, phase)), { qos: 1 }),
      ),
  );
}

/** Everything that the gateway has sent has arrived: answers keep their order. */
async function caughtUp(): Promise<void> {
  const open = connections.filter(({ client }) => client.connected);
  await Promise.all(open.map(({ client }) => client.unsubscribeAsync("nothing/of/this/name")));
}

/** All speak until everything that is expected has come; with whatever else came, it is what was heard in this phase. */
async function hear(phase: Phase): Promise<void> {
  const expected = expectations(phase);
  const missing = () => differences(expected, packets, phase).missing;
  await say(phase, ({ purpose }) => purpose !== "weather");
  // A step can end while a crowd speaks: it speaks again until all of it was in one.
  const crowdsMissing = () => missing().some((cell) => cell.includes("< weather"));
  do await say(phase, ({ purpose }) => purpose === "weather");
  while (await stillMissing(crowdsMissing));
  await until("everything expected has come", () => missing().length === 0).catch(() => undefined);
  await system.settled();
  await system.networkTold();
  await caughtUp();
  observed.set(phase, packets);
  packets = [];
}

/** Asked for a while: the next step is no more than three seconds away. */
async function stillMissing(missing: () => boolean): Promise<boolean> {
  return until("nothing is missing", () => !missing(), 1_000).then(
    () => false,
    () => true,
  );
}

async function change(): Promise<void> {
  const { api } = system.stack;
  for (const { row, device } of speakers.filter(({ row: { becomes } }) => becomes !== "never" && becomes !== "stays")) {
    const gone = row.before.filter((category) => !row.after.includes(category));
    if (row.becomes === "less") await api.withdraw(device.subject, { categories: gone });
    else if (row.becomes !== "late") await api.withdraw(device.subject, {});
    if (row.becomes === "again" || row.becomes === "late") await api.consent(device.subject, consentOf(row, row.after));
  }
  for (const [kind, { change: changed }] of Object.entries(KINDS))
    for (const shared of Object.keys(SHARED)) {
      if (changed === null) await api.call("DELETE", "/v1/services/{service}", [nameOf(kind, shared)]);
      else if (changed !== undefined) await put(kind, shared, changed);
    }
  await publishPolicy(3, "minor", ["IN"], ["weather services"]);
}

const outcome = (phase: Phase, expected = expectations(phase)) =>
  differences(expected, observed.get(phase) ?? [], phase);

describe("who is told what", () => {
  test(
    "is what was consented to within what the service may have, at each connection",
    async () => {
      await hear("before");
      expect(outcome("before")).toEqual({ wrong: [], missing: [] });
    },
    LONG_MS,
  );

  test(
    "follows what people and services become, from the answers on",
    async () => {
      await change();
      await caughtUp();
      packets = [];
      await hear("after");
      expect(outcome("after")).toEqual({ wrong: [], missing: [] });
      // A service that lost what it had keeps its connections; one that was removed has none.
      const open = connections.filter(({ client }) => client.connected).map(({ kind }) => kind);
      expect(new Set(open)).toEqual(new Set(Object.keys(KINDS).filter((kind) => kind !== "removed")));
    },
    LONG_MS,
  );

  test("is divided among the members of a group, and each of them gets something", () => {
    const members = connections.filter(({ listener }) => listener.endsWith("pair"));
    expect(members.filter(({ heard }) => heard === 0)).toEqual([]);
  });

  test("cannot be a part of the weather that is none: such a service is not registered", async () => {
    for (const category of ["location", "status"]) {
      const entry = { purposes: ["weather"], categories: [category] };
      await expect(put("part-of", "weather", entry)).rejects.toThrow("422");
    }
  });
});

describe("the table", () => {
  test("has every purpose with every choice of categories that is offered, and every change of consent and of service", () => {
    const choices = new Set(ROWS.map(({ purpose, before }) => `${purpose} ${[...before].toSorted()}`));
    expect(choices.size).toBe(3 + 2 + 3 + 2);
    const changes = new Set(ROWS.map(({ purpose, becomes }) => `${purpose} ${becomes}`));
    expect(changes.size).toBe(3 * 6);
    const listeners = new Set(connections.map(({ listener }) => listener));
    expect(listeners.size).toBe(Object.keys(KINDS).length * 4);
    expect(expectations("before").size).toBe(listeners.size * ROWS.length);
  });

  test("is found fault with when one of its cells says something else", () => {
    for (const phase of ["before", "after"] as const) {
      const all = observed.get(phase) ?? [];
      const heardBy = new Map(
        connections.map(({ listener }) => [listener, all.filter((one) => one.listener === listener)]),
      );
      const expected = expectations(phase);
      for (const [cell, fields] of expected) {
        const heard = heardBy.get(cell.split(" < ")[0] ?? "") ?? [];
        const altered = (to: string | undefined) => {
          const { wrong, missing } = differences(new Map([...expected, [cell, to]]), heard, phase);
          return [...wrong, ...missing].some((line) => line.startsWith(cell));
        };
        // Everyone who is told nothing would be missed, were something expected; and what is told is wrong, were it nothing or less.
        if (fields === undefined) expect([cell, altered("at device")]).toEqual([cell, true]);
        else expect([cell, altered(undefined), altered(`${fields} id`)]).toEqual([cell, true, true]);
      }
    }
  });

  test("is found fault with when a packet of a stranger, of another purpose or for the second time arrives", () => {
    const heard = observed.get("before") ?? [];
    const [first] = heard.filter(({ topic }) => topic.startsWith("processed/scene/"));
    if (first === undefined) throw new Error("a scene was heard");
    const wrong = (more: Packet) => differences(expectations("before"), [...heard, more], "before").wrong;
    expect(wrong(first)).toHaveLength(1);
    expect(wrong({ ...first, topic: "processed/network/x" })).toHaveLength(1);
    expect(wrong({ ...first, payload: { ...first.payload, status: { seq: 9_999 } } })).toHaveLength(1);
    expect(wrong({ ...first, payload: { ...first.payload, at: 1, home: "x" } })).toHaveLength(1);
  });
});
