/**
 * Whom data of a person is given to is on record before it is given, by service and day; and no one is given
 * anything whom the policy does not cover. The whole system, watched from outside.
 */
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Disclosure, dayOf } from "../../src/model/disclosure.ts";
import type { ServicePurpose } from "../../src/model/purposes.ts";
import { AccountService } from "../../tools/stack/account-service.ts";
import { startGateway } from "../../tools/stack/gateway-process.ts";
import { type ConfigTree, RECIPIENTS, writeScratchConfig } from "../../tools/stack/scratch-config.ts";
import { subscribe } from "../../tools/wire/service-subscriber.ts";
import { until } from "../fixtures/eventually.ts";
import { Listener } from "../fixtures/listener.ts";
import { consentTo, type Device, startSystem, type TestSystem } from "../fixtures/system.ts";
import { shippedPolicy } from "./consent-fixture.ts";

const MESSAGE = {
  model: "HB-200",
  location: { lat: 12.97, lon: 77.59 },
  status: { power_on: true, temperature: 21.5 },
};
const TOTALS_KEY = "consentry:disclosure-totals";

const token = (name: string) => `token-of-the-service-${name}`.padEnd(40, "-");
const service = (name: string, purposes: ServicePurpose[], more: Record<string, unknown> = {}) => ({
  name,
  purposes,
  region: "IN",
  relation: "third-party",
  recipient: RECIPIENTS[purposes[0] ?? "scene"],
  token: token(name),
  ...more,
});
const SERVICES = [
  service("wires", ["network"]),
  service("lights", ["scene"], { relation: "processor", contractRef: "dpa:2026-03", region: "IN-KA" }),
  service("alarms", ["scene"]),
];

let system: TestSystem;
let wires: Listener;
let lights: Listener;
let alarms: Listener;

async function listen(name: string, purpose: ServicePurpose): Promise<Listener> {
  const listener = new Listener(system.stack.mqttUrl, purpose, { name, token: token(name) });
  await listener.start();
  return listener;
}

async function listenAll(): Promise<void> {
  [wires, lights, alarms] = await Promise.all([
    listen("wires", "network"),
    listen("lights", "scene"),
    listen("alarms", "scene"),
  ]);
}

beforeAll(async () => {
  system = await startSystem(
    { services: SERVICES, erasure: { sweepAfterMs: 1_600, acknowledgeWaitMs: 0 } },
    { shortSteps: true },
  );
  await listenAll();
});
afterAll(() => system?.stop());

async function disclosuresOf({ subject }: Pick<Device, "subject">): Promise<Disclosure[]> {
  const answer = await system.stack.api.call("GET", "/v1/subjects/{subject}/disclosures", [subject]);
  return (answer as { disclosures: Disclosure[] }).disclosures;
}

const counts = (disclosures: readonly Disclosure[]) =>
  Object.fromEntries(disclosures.map(({ recipient, count }) => [recipient, count]));

async function totalsOf(recipient: string): Promise<number> {
  const answer = (await system.stack.api.call("GET", "/v1/disclosures", [])) as { disclosures: Disclosure[] };
  return answer.disclosures.filter((one) => one.recipient === recipient).reduce((sum, { count }) => sum + count, 0);
}

async function accounts(): Promise<string[]> {
  return (await system.redis.keys("consentry:{*}:disclosures")).sort();
}

function forget(): void {
  for (const { packets } of [wires, lights, alarms]) packets.length = 0;
}

/** The network hears of a device again and again, each time as one message on the account. */
const AGAIN = expect.any(Number);

/** From here on the network service is told nothing, and has all that it was told. */
async function deaf(): Promise<void> {
  await wires.client.unsubscribeAsync("processed/network/#");
}

async function caughtUp(): Promise<void> {
  await system.settled();
  await wires.caughtUp();
  await system.networkTold();
  await Promise.all([wires, lights, alarms].map((listener) => listener.caughtUp()));
}

test("a line is on record when the service gets the first message", async () => {
  const before = await accounts();
  const device = await system.device();
  const seen: Promise<string[]>[] = [];
  lights.client.once("message", () => seen.push(accounts()));
  await system.say(device, MESSAGE);
  await caughtUp();
  const [found = []] = await Promise.all(seen);
  expect(found).toHaveLength(before.length + 1);
  const today = dayOf(Date.now());
  expect(await disclosuresOf(device)).toEqual([
    { recipient: "alarms", purpose: "scene", day: today, count: 1, region: "IN" },
    { recipient: "lights", purpose: "scene", day: today, count: 1, region: "IN-KA", contract: "dpa:2026-03" },
    { recipient: "wires", purpose: "network", day: today, count: AGAIN, region: "IN" },
  ]);
});

test("each service is accounted for apart, and the counts are what it got", async () => {
  await deaf();
  forget();
  const before = { wires: await totalsOf("wires"), lights: await totalsOf("lights"), alarms: await totalsOf("alarms") };
  await wires.caughtUp();
  const people = await system.devices(3);
  const sceneOnly = await system.device({ consent: consentTo({ scene: ["status"] }) });
  for (let round = 0; round < 3; round += 1) {
    await Promise.all([...people, sceneOnly].map((device) => system.say(device, MESSAGE)));
  }
  await system.settled();
  await alarms.stop();
  await system.say(sceneOnly, MESSAGE);
  await system.settled();
  await alarms.start();
  await caughtUp();
  await deaf();
  for (const device of people)
    expect(counts(await disclosuresOf(device))).toEqual({ alarms: 3, lights: 3, wires: AGAIN });
  expect(counts(await disclosuresOf(sceneOnly))).toEqual({ alarms: 3, lights: 4 });
  for (const [name, listener] of Object.entries({ wires, lights, alarms })) {
    expect([name, (await totalsOf(name)) - before[name as keyof typeof before]]).toEqual([
      name,
      listener.packets.length,
    ]);
  }
});

test("while the account can't be written no one is given anything; then everything goes, and is on record", async () => {
  const known = wires.newest.map(({ device }) => device);
  forget();
  const device = await system.device();
  await system.redis.rename(TOTALS_KEY, "kept-aside");
  await system.redis.set(TOTALS_KEY, "not a hash");
  const rowsBefore = (await system.rows("device_status")).length;
  await system.say(device, MESSAGE);
  // Stored as ever: the store is the controller's own.
  await until("the message is stored", async () => (await system.rows("device_status")).length === rowsBefore + 1);
  await until("the pass waits", async () => (await system.metric("messages_in_flight")) === 1);
  const first = () => wires.newest.filter((one) => !known.includes(one.device));
  for (const listener of [wires, lights, alarms]) await listener.caughtUp();
  expect([lights, alarms].map(({ packets }) => packets.length)).toEqual([0, 0]);
  expect(first()).toEqual([]);

  await system.redis.rename("kept-aside", TOTALS_KEY);
  await system.settled();
  await until("the network hears of it", () => first().length > 0);
  await caughtUp();
  expect([lights, alarms].map(({ packets }) => packets.length)).toEqual([1, 1]);
  expect(counts(await disclosuresOf(device))).toEqual({ alarms: 1, lights: 1, wires: AGAIN });
});

test("a Redis that is paused, or killed, loses no line and no count", async () => {
  forget();
  const device = await system.device();
  process.kill(system.stack.redis.pid, "SIGSTOP");
  const waiting = system.say(device, MESSAGE);
  for (const listener of [lights, alarms]) await listener.caughtUp();
  expect([lights, alarms].map(({ packets }) => packets.length)).toEqual([0, 0]);
  process.kill(system.stack.redis.pid, "SIGCONT");
  await waiting;
  await caughtUp();
  expect(counts(await disclosuresOf(device))).toEqual({ alarms: 1, lights: 1, wires: AGAIN });

  await system.say(device, MESSAGE);
  await system.settled();
  await system.stack.redis.kill("SIGKILL");
  await system.stack.redis.start();
  await system.ready();
  await until("the account can be read", async () => (await disclosuresOf(device)).length === 3);
  expect(counts(await disclosuresOf(device))).toEqual({ alarms: 2, lights: 2, wires: AGAIN });
});

test("a gateway that is killed leaves every line, at the most with too low a count", async () => {
  // What was sent last before Redis was killed may still be in transit to the services.
  await caughtUp();
  forget();
  const device = await system.device();
  await system.say(device, MESSAGE);
  await until("the service has it", () => lights.packets.length === 1);
  await system.networkTold();
  // What is still in the queue at the kill is handed over again, and counted again.
  await system.settled();
  await system.stack.gateway.kill("SIGKILL");
  await system.stack.startGateway();
  await listenAll();
  const after = await disclosuresOf(device);
  expect(after.map(({ recipient }) => recipient)).toEqual(["alarms", "lights", "wires"]);
  for (const { recipient, count } of after) if (recipient !== "wires") expect([0, 1]).toContain(count);
});

test("an erasure takes the account along; what is consented to afterwards has lines of its own", async () => {
  const device = await system.device();
  await system.say(device, MESSAGE);
  await caughtUp();
  expect(await disclosuresOf(device)).toHaveLength(3);
  const before = await accounts();
  const body = { by: "subject", method: "app" };
  const { id } = (await system.stack.api.call("POST", "/v1/subjects/{subject}/erasures", [device.subject], body)) as {
    id: string;
  };
  const state = async () => (await system.stack.api.call("GET", "/v1/erasures/{id}", [id])) as { state: string };
  await until("the erasure is complete", async () => (await state()).state === "completed");
  expect(await disclosuresOf(device)).toEqual([]);
  expect(await accounts()).toHaveLength(before.length - 1);

  await system.stack.api.consent(device.subject, consentTo({ network: ["model"] }));
  const known = wires.newest.map(({ device: name }) => name);
  forget();
  await system.say(device, MESSAGE);
  await caughtUp();
  expect(wires.newest.filter((one) => !known.includes(one.device))).toHaveLength(1);
  expect(lights.packets).toEqual([]);
  expect(counts(await disclosuresOf(device))).toEqual({ wires: AGAIN });
});

test("the account is told of known people and well-formed days only", async () => {
  const refused = async (path: string): Promise<string> => {
    const headers = { authorization: `Bearer ${system.stack.config.apiToken}` };
    const response = await fetch(`${system.stack.httpUrl}${path}`, { headers });
    return `${response.status} ${((await response.json()) as { code: string }).code}`;
  };
  expect(await refused("/v1/subjects/nobody/disclosures")).toBe("404 unknown-subject");
  for (const query of ["from=today", "from=2026-02-30", "from=2026-03-02&to=2026-03-01", "from=2020-01-01", "day=1"])
    expect([query, await refused(`/v1/disclosures?${query}`)]).toEqual([query, "400 invalid-request"]);
});

describe("a gateway does not start", () => {
  const wrong: [what: string, overrides: ConfigTree, messages: string[]][] = [
    [
      "with a service whose region or recipient the policy does not name for each of its purposes",
      {
        services: [
          service("sky", ["weather"], { region: "DE" }),
          service("lights", ["scene"], { recipient: "weather services" }),
          service("both", ["weather", "scene"]),
        ],
      },
      [
        "SERVICE_NOT_COVERED",
        "services.0.region: region-not-in-policy (weather)",
        "services.1.recipient: recipient-not-in-policy (scene)",
        "services.2.recipient: recipient-not-in-policy (scene)",
      ],
    ],
    [
      "with a processor without a contract",
      { services: [service("lights", ["scene"], { relation: "processor" })] },
      ["CONFIG_INVALID: services.0.contractRef: required-for-processor"],
    ],
    [
      "when anything would be kept longer than the policy says",
      { retention: { deviceStatusDays: 366, deviceLocationDays: 400 } },
      [
        "RETENTION_EXCEEDS_POLICY",
        "retention.deviceStatusDays: longer-than-policy (analytics)",
        "retention.deviceLocationDays: longer-than-policy (analytics)",
      ],
    ],
  ];

  test.each(wrong)("%s", async (_what, overrides, messages) => {
    const folder = await mkdtemp(join(system.stack.dir, "refused-"));
    const { redisUrl, influxUrl, database } = system.stack;
    const names = { database, keyPrefix: "refused" };
    const { file } = await writeScratchConfig({ dir: folder, redisUrl, influxUrl, ...names, overrides });
    const started = startGateway({ configFile: file, logFile: join(folder, "gateway.log") });
    const said = await started.then(
      async (gateway) => {
        await gateway.stop();
        return "it started";
      },
      (error: Error) => error.message,
    );
    for (const message of messages) expect(said).toContain(message);
  });
});

test("a policy that another gateway publishes cuts off whom it does not name any more, and no one else", async () => {
  forget();
  const device = await system.device();
  await system.say(device, MESSAGE);
  await caughtUp();
  expect([lights, alarms].map(({ packets }) => packets.length)).toEqual([1, 1]);
  expect(wires.packets.length).toBeGreaterThan(0);
  expect(await system.metric("services_not_covered")).toBe(0);

  const other = await startGateway({
    configFile: system.stack.config.file,
    logFile: join(system.stack.dir, "logs", "other.log"),
    env: {
      CONSENTRY_BACKUP_JOURNAL_FILE: join(system.stack.dir, "other.journal"),
      CONSENTRY_BACKUP_CREATE_JOURNAL: "true",
    },
  });
  try {
    const api = new AccountService({
      api: `http://127.0.0.1:${other.port("http")}`,
      token: system.stack.config.apiToken,
      timeoutMs: 15_000,
    });
    const policy = JSON.parse(shippedPolicy.toString());
    policy.version = 2;
    policy.change = { kind: "minor", summary: "Network functions are given nothing any more." };
    policy.purposes.network.recipients = [];
    await api.call("POST", "/v1/policies", [], policy);
  } finally {
    await other.stop();
  }
  await until("the first gateway knows", async () => (await system.metric("services_not_covered")) === 1);

  forget();
  await system.say(device, MESSAGE);
  await system.settled();
  // Longer than a round in which each name is told.
  await system.placesWritten();
  await Promise.all([lights, alarms].map((listener) => listener.caughtUp()));
  expect([wires, lights, alarms].map(({ packets }) => packets.length)).toEqual([0, 1, 1]);
  expect(counts(await disclosuresOf(device))).toEqual({ alarms: 2, lights: 2, wires: AGAIN });
  expect(await subscribe(wires.client, ["processed/network/#"])).toBe("denied");
  expect(await subscribe(wires.client, ["privacy/erased/network"])).toBe("granted");
});
