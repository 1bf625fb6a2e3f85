/**
 * A member of a group loses its connection, a process of a service and the gateway are killed, while devices publish and people
 * withdraw: nothing withdrawn is delivered after the answer, each member hears each name in order, and all of it is on the account.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { untilAnswered } from "../../simulators/until-answered.ts";
import type { Disclosure } from "../../src/model/disclosure.ts";
import { until } from "../fixtures/eventually.ts";
import { type Delivery, faultsOf, type Run, SceneService } from "../fixtures/scene-service.ts";
import { consentTo, type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

/** So many that no member of three has no name among them. */
const DEVICES = 40;
/** The others never withdraw. */
const WITHDRAWING = 14;
const LONG_MS = 600_000;
const REST_MS = 10;

let system: TestSystem;
let devices: Device[];
const services = new Map<string, SceneService>();
const deliveries: Delivery[] = [];
const withdrawn: number[] = [];
const saidBefore = new Map<number, number>();
/** By person: the number of its newest message. */
const said = new Array<number>(DEVICES).fill(0);
let publishing = true;
let run: Run;

beforeAll(async () => {
  system = await startSystem();
  devices = await system.devices(DEVICES, { consent: consentTo({ scene: ["status"] }) });
}, LONG_MS);
afterAll(async () => {
  publishing = false;
  await Promise.all([...services.values()].map((service) => service.kill()));
  await system?.stop();
});

async function serve(process: string, ...members: string[]): Promise<void> {
  const { name: username, token: password } = system.stack.serviceCredential("scene");
  const service = new SceneService((delivery) => deliveries.push(delivery));
  services.set(process, service);
  await service.start({ url: system.stack.mqttUrl, username, password, members, event: withdrawn.length });
}

/** One message after the other, each until it is acknowledged: so the order in which they were said is known. */
async function publish(device: Device, who: number): Promise<void> {
  const client = await system.connect(device, { reconnectPeriod: 100, reconnectOnConnackError: true });
  while (publishing) {
    said[who] = (said[who] ?? 0) + 1;
    const payload = JSON.stringify({ who, seq: said[who], ts: Date.now() });
    await client.publishAsync(`devices/${device.id}/status`, payload, { qos: 1 });
    await pause(REST_MS);
  }
}

/** Again until it is answered; from then on nothing may come. */
async function withdraw(...people: number[]): Promise<void> {
  for (const who of people) {
    const { subject } = devices[who] as Device;
    await untilAnswered(
      () => system.stack.api.withdraw(subject),
      () => undefined,
    );
    withdrawn.push(who);
    saidBefore.set(who, said[who] ?? 0);
    const event = withdrawn.length;
    await Promise.all([...services.values()].map((service) => service.pass(event)));
  }
}

/** The people who are left are all heard, some more times. */
async function heardAgain(times = 3): Promise<void> {
  const from = deliveries.length;
  const left = devices.map((_, who) => who).filter((who) => !withdrawn.includes(who));
  await until("everyone who is left is heard again", () => {
    const heard = deliveries.slice(from);
    return left.every((who) => heard.filter((one) => one.who === who).length >= times);
  });
}

async function accountOf(): Promise<Map<number, number>> {
  const account = new Map<number, number>();
  for (const [who, { subject }] of devices.entries()) {
    const answer = await system.stack.api.call("GET", "/v1/subjects/{subject}/disclosures", [subject]);
    for (const { purpose, count } of (answer as { disclosures: Disclosure[] }).disclosures)
      if (purpose === "scene") account.set(who, (account.get(who) ?? 0) + count);
  }
  return account;
}

test(
  "under load, nothing withdrawn is delivered after the answer, in order and on the account, whatever is killed",
  async () => {
    await Promise.all([serve("one", "member-a", "member-b"), serve("two", "member-c")]);
    const streams = Promise.all(devices.map(publish));
    await heardAgain();
    await withdraw(0, 1);

    services.get("one")?.cut("member-a");
    await withdraw(2, 3);
    await heardAgain();

    await Promise.all([services.get("one")?.kill(), withdraw(4, 5, 6)]);
    await heardAgain();
    await serve("one", "member-a", "member-b");
    await withdraw(7);

    const killed = system.stack.gateway.kill("SIGKILL");
    const triedAgain = new Map<number, number>();
    await Promise.all([
      killed.then(() => {
        for (const [who, seq] of said.entries()) triedAgain.set(who, seq);
        return system.stack.startGateway();
      }),
      withdraw(8, 9, 10),
    ]);
    await system.ready();
    const start = deliveries.length;
    await heardAgain();
    await Promise.all([services.get("two")?.kill(), withdraw(11, 12, 13)]);
    await heardAgain();

    publishing = false;
    await streams;
    await system.settled();
    await Promise.all([...services.values()].map((service) => service.pass(withdrawn.length + 1)));
    const sinceStart = new Map<number, number>();
    for (const { who } of deliveries.slice(start)) sinceStart.set(who, (sinceStart.get(who) ?? 0) + 1);
    run = { deliveries, withdrawn, saidBefore, triedAgain, account: await accountOf(), sinceStart };

    expect(withdrawn).toHaveLength(WITHDRAWING);
    expect(faultsOf(run)).toEqual([]);
    // There was something to be seen: each member heard someone, on each of its connections.
    for (const member of ["member-a.1", "member-a.2", "member-b.1", "member-c.1"])
      expect([member, new Set(deliveries.filter(({ on }) => on === member).map(({ who }) => who)).size > 0]).toEqual([
        member,
        true,
      ]);
    expect(deliveries.length).toBeGreaterThan(DEVICES * 10);
    expect(sinceStart.size).toBeGreaterThanOrEqual(DEVICES - WITHDRAWING);
  },
  LONG_MS,
);

test("the same run is found fault with, were one delivery, one place in the order or one line of the account another", () => {
  const [who = 0] = withdrawn;
  const steady = DEVICES - 1;
  const mine = deliveries.filter((one) => one.who === steady);
  const newest = mine.toSorted((one, other) => one.seq - other.seq).at(-1) as Delivery;
  const altered = (more: Partial<Run>) => faultsOf({ ...run, ...more });
  const late = { on: newest.on, after: 1, who, seq: 1 };
  expect(altered({ deliveries: [...deliveries, late] })).toContain(`${who}: delivered after the answer`);
  const unheard = { ...late, after: 0, seq: (saidBefore.get(who) ?? 0) + 1 };
  expect(altered({ deliveries: [...deliveries, unheard] })).toContain(`${who}: said after the answer`);
  // Its newest two change places.
  const older = mine
    .filter(({ on, seq }) => on === newest.on && seq < newest.seq && seq > (run.triedAgain.get(steady) ?? 0))
    .at(-1) as Delivery;
  const others = deliveries.filter(({ who: one, seq }) => one !== steady || seq < older.seq);
  expect(altered({ deliveries: [...others, older, newest] })).toEqual([]);
  expect(altered({ deliveries: [...others, newest, older] })).toEqual([`${steady}: out of order`]);
  const without = new Map([...run.account].filter(([one]) => one !== steady));
  expect(altered({ account: without })).toContain(`${steady}: not on the account`);
  const fewer = new Map([...run.account, [steady, (run.sinceStart.get(steady) ?? 0) - 1]]);
  expect(altered({ account: fewer })).toContain(`${steady}: fewer on the account than were delivered`);
});
