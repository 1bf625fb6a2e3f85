/**
 * Promise: what has been kept long enough goes by itself, and nothing under a legal hold with it; devices are
 * told when a policy takes consent away; and the operator's commands tell and prove what happened.
 */
import { readFile } from "node:fs/promises";
import { Queue } from "bullmq";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ConsentRecord } from "../../src/model/consent-record.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { consentTo, type Device, EVERYTHING, startSystem, type TestSystem } from "../fixtures/system.ts";

const DAY_MS = 86_400_000;
const APPROVERS = ["legal", "privacy"].map((name) => ({ name, token: `approver-${name}-0123456789-0123456789` }));
const RESIDENT = "QQQQQQQQQQQQQQQQQQQQQQ";

let system: TestSystem;
let anna: Device;

beforeAll(async () => {
  system = await startSystem({ http: { approvers: APPROVERS }, hold: { sweepMs: 200 } });
  anna = await system.device();
  await system.say(anna, { status: { power_on: true }, location: { lat: 12.97, lon: 77.59 } });
  await system.settled();
});
afterAll(() => system?.stop());

async function run(program: "audit" | "retention", args: readonly string[], env: Record<string, string> = {}) {
  const command = [...args, "--config", system.stack.config.file];
  const { exitCode, stdout, stderr } = await runCommand(program, command, env);
  return { exitCode, lines: stdout.split("\n").filter((line) => line !== ""), stderr };
}

async function retention(...args: string[]): Promise<Record<string, unknown>> {
  const { lines, exitCode } = await run("retention", ["--json", ...args]);
  expect(exitCode).toBe(0);
  const results = lines.map((line) => JSON.parse(line) as { kind: string; state: string; count?: number });
  return Object.fromEntries(results.map(({ kind, state, count }) => [kind, [state, count]]));
}

async function influx(path: string, body: string): Promise<string> {
  const url = `${system.stack.influxUrl}${path}`;
  const response = await fetch(url, {
    method: "POST",
    body: path === "/query" ? new URLSearchParams({ db: system.stack.database, q: body }) : body,
  });
  expect(response.ok).toBe(true);
  return response.text();
}

/** Rows as they would stand there had the gateway run all the time. */
async function past(daysAgo: number, ...lines: string[]): Promise<void> {
  const time = `${Date.now() - daysAgo * DAY_MS}000000`;
  await influx(`/write?db=${system.stack.database}&precision=ns`, lines.map((line) => `${line} ${time}`).join("\n"));
}

async function hold(
  method: "PUT" | "DELETE",
  approver: number,
  body: { reference: string; until: number },
  { subject }: Device = anna,
): Promise<number> {
  const authorization = `Bearer ${APPROVERS[approver]?.token}`;
  const json = { headers: { authorization, "content-type": "application/json" }, body: JSON.stringify(body) };
  const query = method === "DELETE" ? `?reference=${body.reference}` : "";
  const init = method === "PUT" ? { method, ...json } : { method, headers: { authorization } };
  return (await fetch(`${system.stack.httpUrl}/v1/subjects/${subject}/hold${query}`, init)).status;
}

describe("retention", () => {
  test("tells in a dry run what would go, and then lets exactly that go, but nothing that is held", async () => {
    const mine = String((await system.rows("device_status"))[0]?.device);
    await past(
      400,
      `device_status,device=${mine},model=hub power_on=true`,
      `device_status,device=${RESIDENT} power_on=true`,
    );
    await past(364, `device_status,device=${RESIDENT} power_on=false`);
    await past(
      31,
      `device_location,device=${mine} cell="a",resolution=4`,
      `device_location,device=${RESIDENT} cell="a",resolution=4`,
    );
    await past(1_096, "cell_activity,cell=a devices=7,messages=9");
    const [subjectKey = ""] = await system.redis.keys("consentry:{*}:subject");
    const myAccount = subjectKey.replace(/subject$/, "disclosures");
    await system.redis.hset(myAccount, "1|sky|weather|IN||2020-02", "07:3 08:4", "1|sky|weather|IN||9999-12", "31:5");
    await system.redis.hset(`consentry:{${RESIDENT}}:disclosures`, "1|sky|weather|IN||2020-02", "07:1");
    expect(await retention("--dry-run")).toMatchObject({
      disclosures: ["due", 3],
      deviceStatus: ["due", 2],
      deviceLocation: ["due", 2],
      cellActivity: ["due", 1],
    });

    const order = { reference: "court:7", until: Date.now() + 600_000 };
    expect([await hold("PUT", 0, order), await hold("PUT", 1, order)]).toEqual([202, 200]);
    expect(await system.rows("device_status")).toHaveLength(4);
    expect(await retention()).toMatchObject({
      deviceStatus: ["done", 1],
      deviceLocation: ["done", 1],
      cellActivity: ["done", 1],
      disclosures: ["done", 1],
    });
    expect((await system.rows("device_status")).map(({ device }) => device).sort()).toEqual(
      [mine, mine, RESIDENT].sort(),
    );
    expect(await system.rows("cell_activity")).toEqual([]);

    expect(await hold("DELETE", 0, order)).toBe(204);
    expect(await system.redis.hkeys(myAccount)).toHaveLength(2);
    expect(await retention()).toMatchObject({
      deviceStatus: ["done", 1],
      deviceLocation: ["done", 1],
      cellActivity: ["done", 0],
      disclosures: ["done", 2],
    });
    expect(await system.redis.hgetall(myAccount)).toEqual({ "1|sky|weather|IN||9999-12": "31:5" });
    expect(await system.rows("device_status")).toHaveLength(2);
    expect(await system.rows("device_location")).toEqual([]);
    // A name of an epoch that is past goes with its rows.
    expect(await influx("/query", "SHOW TAG VALUES FROM device_location WITH KEY = device")).not.toContain(RESIDENT);
  });

  test("marks consent that has run out, by the gateway's own schedule", async () => {
    const expiresAt = Date.now() + 1_500;
    const device = await system.device({ consent: consentTo(EVERYTHING, { expiresAt }) });
    await until("it has run out", () => Date.now() > expiresAt);
    expect(await retention("--dry-run")).toMatchObject({ expiredConsents: ["due", 1] });
    // The next turn of the schedule comes an hour early.
    const queue = new Queue("upkeep", { connection: system.redis, prefix: `{${system.stack.keyPrefix}:upkeep}` });
    const [turn] = await queue.getDelayed();
    expect(turn?.name).toBe("retention");
    await turn?.promote();
    await until("it is on record", async () => {
      const record = await system.stack.api.call("GET", "/v1/subjects/{subject}/consents", [device.subject]);
      return (record as { consent: { state: string } }).consent.state === "expired";
    });
    await queue.close();
  });

  test("leaves what cannot be reached, does the rest, and says so", async () => {
    const { exitCode, lines } = await run("retention", ["--dry-run"], {
      CONSENTRY_SINKS_INFLUX_URL: "http://127.0.0.1:1",
    });
    expect(exitCode).toBe(1);
    expect(lines.filter((line) => line.includes("failed"))).toHaveLength(3);
    expect(lines.find((line) => line.startsWith("expiredConsents"))).toMatch(/due +0$/);
  });
});

describe("a subject's data", () => {
  test("stay under a legal hold although erasure was asked for, and go by themselves when it ends", async () => {
    const device = await system.device();
    await system.say(device, { status: { power_on: true, run: 7 } });
    await system.settled();
    const mine = async () => (await system.rows("device_status")).filter((row) => typeof row.run === "number").length;
    const name = (await system.rows("device_status")).find((row) => row.run === 7)?.device;
    await past(400, `device_status,device=${name} run=7`);
    expect(await mine()).toBe(2);
    const order = { reference: "court:8", until: Date.now() + 600_000 };
    expect([await hold("PUT", 0, order, device), await hold("PUT", 1, order, device)]).toEqual([202, 200]);
    const refused = (await system.books()).refused["legal-hold"] ?? 0;
    await system.say(device, { status: { power_on: false } });
    expect((await system.settled()).refused["legal-hold"]).toBe(refused + 1);

    const asked = await system.stack.api.call("POST", "/v1/subjects/{subject}/erasures", [device.subject], {});
    const { id, state } = asked as { id: string; state: string };
    expect(state).toBe("held");
    const status = async () => (await system.stack.api.call("GET", "/v1/erasures/{id}", [id])) as { state: string };
    // Retention comes by meanwhile and leaves it as well, under a key that is out of use.
    await retention();
    expect([(await status()).state, await mine()]).toEqual(["held", 2]);
    expect(await hold("DELETE", 1, order, device)).toBe(204);
    await until("it is erased", async () => (await status()).state === "completed");
    expect(await mine()).toBe(0);
  });

  test("are refused and purged when they turn out to be a minor's", async () => {
    const device = await system.device();
    const client = await system.connect(device);
    const say = (status: object) =>
      client.publishAsync(`devices/${device.id}/status`, JSON.stringify(status), { qos: 1 });
    await say({ who: 1 });
    await system.settled();
    const rows = async () => (await system.rows("device_status")).filter((row) => typeof row.who === "number").length;
    expect(await rows()).toBe(1);
    const before = (await system.books()).refused["guardian-missing"] ?? 0;
    await system.stack.api.consent(device.subject, consentTo(EVERYTHING, { minor: true }));
    await say({ who: 2 });
    expect((await system.settled()).refused["guardian-missing"]).toBe(before + 1);
    await until("what was stored is gone", async () => (await rows()) === 0);

    const guardian = { verified: true, method: "id-check", evidenceRef: "guardian:1" };
    await system.stack.api.consent(device.subject, consentTo(EVERYTHING, { minor: true, by: "guardian", guardian }));
    const scene = await system.listen("scene");
    await say({ who: 3 });
    await until("the household's scene goes on", () => scene.records.length > 0);
    await system.settled();
    expect(await rows()).toBe(0);
    await client.endAsync();
  });
});

describe("a material policy", () => {
  test("stops what it concerns, and every device that is concerned is told, at once or when it asks", async () => {
    const [told, free, later] = await Promise.all([
      system.device({ consent: consentTo({ scene: ["status"], network: ["ip"] }) }),
      system.device({ consent: consentTo({ network: ["ip"] }) }),
      system.device({ consent: consentTo({ scene: ["status"] }) }),
    ]);
    const heard: string[] = [];
    const listen = async (device: Device, name: string) => {
      const client = await system.connect(device);
      client.on(
        "message",
        (topic, payload) => void heard.push(`${name} ${topic === `devices/${device.id}/notices`} ${payload}`),
      );
      await client.subscribeAsync(`devices/${device.id}/notices`, { qos: 1 });
      return client;
    };
    await listen(told, "told");
    await listen(free, "free");
    const first = JSON.parse(await readFile("config/policies/1.json", "utf8"));
    const change = { kind: "material", summary: "Scenes are told more.", affects: ["scene"] };
    await system.stack.api.call("POST", "/v1/policies", [], { ...first, version: 2, change });

    const notice = `{"type":"policy-change","version":2,"change":"material","purposesSuspended":["scene"]}`;
    await until("the device is told", () => heard.length > 0);
    expect(heard).toEqual([`told true ${notice}`]);
    await listen(later, "later");
    await until("the late one is told", () => heard.length > 1);
    expect(heard[1]).toBe(`later true ${notice}`);
    expect(await system.metric("notices_total")).toBe(2);
    expect(await system.stack.api.call("GET", "/v1/policies", [])).toMatchObject({
      policies: [{ suspended: [] }, { version: 2, change: "material", suspended: ["scene"] }],
      floors: { scene: 2, network: 1 },
    });

    await until("it is counted", async () => (await system.metric("devices_suspended", '{purpose="scene"}')) >= 2);
    expect(await system.metric("devices_suspended", '{purpose="network"}')).toBe(0);
    // Of ten people at least, as the alarm is: this is fewer.
    expect(await system.metric("people_to_ask")).toBe(0);
    const events = async (subject: string) => {
      const record = await system.stack.api.call("GET", "/v1/subjects/{subject}/consents", [subject]);
      return (record as ConsentRecord).events;
    };
    expect((await retention()).suspendedConsents).toMatchObject(["done", expect.any(Number)]);
    expect((await events(told.subject)).at(-1)).toMatchObject({
      type: "invalidated",
      by: "controller",
      policyVersion: 2,
      purposes: ["scene"],
    });
    expect((await events(free.subject)).at(-1)).toMatchObject({ type: "given" });
    expect((await retention()).suspendedConsents).toEqual(["done", 0]);

    const refused = (await system.books()).refused["policy-superseded"] ?? 0;
    await system.say(later, { status: { power_on: true } });
    await until(
      "it is refused",
      async () => ((await system.books()).refused["policy-superseded"] ?? 0) === refused + 1,
    );
    // With consent to the new version it is let in, and told nothing more.
    await system.stack.api.consent(later.subject, consentTo({ scene: ["status"] }, { policyVersion: 2 }));
    const again = await listen(later, "again");
    await again.publishAsync(`devices/${later.id}/status`, '{"power_on":false}', { qos: 1 });
    await system.settled();
    expect((await system.books()).refused["policy-superseded"]).toBe(refused + 1);
    expect(heard).toHaveLength(2);
  });
});

describe("npm run audit", () => {
  test("lists what happened, proves it, and finds a line that someone touched", async () => {
    const { lines: listed } = await run("audit", ["list"]);
    expect(listed.join("\n")).toMatch(/hold-approved.*proposedBy=legal {2}confirmedBy=privacy/);
    expect(listed.join("\n")).toMatch(/retention-run {2}done\(\d+\) {2}by=operator {2}deviceStatus=1/);
    expect(listed.join("\n")).toMatch(/policy-published {2}done\(\d+\)/);
    expect(listed.join("\n")).not.toContain(anna.id);
    expect(listed.join("\n")).not.toContain(anna.subject);

    const verified = await run("audit", ["verify"]);
    expect(verified.exitCode).toBe(0);
    const head = /head (\S+)$/.exec(verified.lines[0] ?? "")?.[1] ?? "";
    expect(head).toMatch(/^\d+:/);
    const key = `{${system.stack.keyPrefix}:audit}:lines`;
    const line = (await system.redis.lindex(key, 3)) ?? "";
    await system.redis.lset(key, 3, line.replace('"by":"account-service"', '"by":"operator"'));
    expect(await run("audit", ["verify"])).toMatchObject({ exitCode: 1, lines: ["broken at line 3: changed"] });
    await system.redis.lset(key, 3, line);
    expect(await run("audit", ["verify", "--head", head])).toMatchObject({ exitCode: 0 });

    // An empty log is whole by itself; what the journal noted shows that it is not.
    await system.redis.del(key, key.replace(/lines$/, "seal"));
    const emptied = await run("audit", ["verify"]);
    expect([emptied.exitCode, emptied.lines[0]]).toEqual([1, "broken at line 0: rolled-back"]);
  });
});
