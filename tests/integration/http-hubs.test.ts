/** Promise: the account service says over HTTP how a device speaks and which devices a hub speaks for, and both owners see it. */
import { describe, expect, test } from "vitest";
import { PROBLEMS } from "../../src/http/problems.ts";
import { REGISTRATION_OUTCOMES } from "../../src/model/registration.ts";
import { device, everythingIn, lookup, subject } from "./consent-fixture.ts";
import { erasuresOn } from "./erasure-fixture.ts";
import { httpApi } from "./http-fixture.ts";

const api = httpApi({ bounds: { bodyLimitBytes: 65_536 } });
const { call } = api;
const CHILDREN = "/v1/devices/hub-1/children";
const LAMP = `${CHILDREN}/lamp-1`;

const bind = async (owner: string, ...ids: string[]): Promise<void> => {
  for (const id of ids) expect((await call("PUT", `/v1/subjects/${owner}/devices/${id}`)).status).toBe(204);
};
const heard = async (): Promise<string[]> => {
  const { json } = await call("GET", CHILDREN);
  return json.children.flatMap((child: { device: string; heard: boolean }) => (child.heard ? [child.device] : []));
};
async function household(): Promise<void> {
  await bind("anna", "hub-1", "lamp-1", "lock-1");
  expect(await call("PUT", LAMP, { alias: "lamp" })).toMatchObject({ status: 204, text: "" });
}
async function auditLines(act: string) {
  const { json } = await call("GET", "/v1/audit");
  return json.records.filter((line: { act: string }) => line.act === act);
}

describe("a token", () => {
  test("says how its device speaks; without a body it is the gateway's own contract", async () => {
    const { credentials } = api.store();
    const body = { dialect: "tasmota", alias: "tasmota_3D5E26", presence: true };
    const key = device("plug-1");
    const { json, status } = await call("POST", "/v1/devices/plug-1/token", body);
    expect(status).toBe(201);
    const alias = lookup.aliasMac(key, "tasmota_3D5E26");
    expect(await credentials.verify(key, json.token)).toMatchObject({ dialect: "tasmota", alias, presence: true });
    const { json: native } = await call("POST", "/v1/devices/plug-1/token");
    const plain = { dialect: undefined, alias: undefined, presence: false };
    expect(await credentials.verify(key, native.token)).toMatchObject(plain);
    expect(await everythingIn(api.store().redis)).not.toMatch(/3D5E26|plug-1/);
  });

  test.each([
    [{ dialect: "no-such" }, 422, "dialect-unknown"],
    [{ dialect: "../../etc/passwd" }, 400, "invalid-request"],
    [{ dialect: "__proto__" }, 400, "invalid-request"],
    [{ dialect: "constructor" }, 422, "dialect-unknown"],
    [{ alias: "tasmota_3D5E26" }, 400, "invalid-request"],
    [{ dialect: "tasmota", alias: "" }, 400, "invalid-request"],
    [{ dialect: "tasmota", alias: "x".repeat(129) }, 400, "invalid-request"],
    [{ dialect: "tasmota", alias: "x".repeat(10_240) }, 400, "invalid-request"],
    [{ dialect: "tasmota", alias: "a\u0000b" }, 400, "invalid-request"],
    [{ dialect: "tasmota", alias: "a\u0085b" }, 400, "invalid-request"],
    [{ dialect: "tasmota", alias: "a\u2028b" }, 400, "invalid-request"],
    [{ dialect: "tasmota", alias: "half \ud83d of a sign" }, 400, "invalid-request"],
    [{ dialect: "tasmota", alias: "a/#" }, 400, "invalid-request"],
    [{ dialect: "tasmota", alias: "+" }, 400, "invalid-request"],
    [{ dialect: "tasmota", alias: 7 }, 400, "invalid-request"],
    [{ dialect: "tasmota", presence: "yes" }, 400, "invalid-request"],
    [{ dialect: "tasmota", names: ["x"] }, 400, "invalid-request"],
    [[], 400, "invalid-request"],
  ])("body number %# is refused, and the one before stands", async (body, status, code) => {
    const { json } = await call("POST", "/v1/devices/plug-1/token");
    const answer = await call("POST", "/v1/devices/plug-1/token", body);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect(answer.text).not.toMatch(/3D5E26|passwd|xxx/);
    expect(await api.store().credentials.verify(device("plug-1"), json.token)).toBeDefined();
  });

  test("is not for a child", async () => {
    await household();
    const answer = await call("POST", "/v1/devices/lamp-1/token");
    expect(answer).toMatchObject({ status: 409, json: { code: "behind-hub" } });
  });
});

describe("children", () => {
  test("are said one by one or many at once, again without harm, and taken away", async () => {
    await household();
    const body = {
      children: [
        { device: "lamp-1", alias: "lamp" },
        { device: "lock-1", alias: "Flur/Schloß 🔒" },
        { device: "nobody's", alias: "x" },
      ],
    };
    // A device id cannot hold an apostrophe.
    expect((await call("PUT", CHILDREN, body)).status).toBe(400);
    body.children[2] = { device: "unknown-9", alias: "x" };
    expect(await call("PUT", CHILDREN, body)).toMatchObject({
      status: 200,
      json: { outcomes: ["already", "registered", "not-bound"] },
    });
    expect((await call("PUT", CHILDREN, body)).json).toEqual({ outcomes: ["already", "already", "not-bound"] });
    expect((await heard()).sort()).toEqual([device("lamp-1"), device("lock-1")].sort());
    expect((await call("DELETE", LAMP)).status).toBe(204);
    expect(await call("DELETE", LAMP)).toMatchObject({ status: 404, json: { code: "not-a-child" } });
    expect(await heard()).toEqual([device("lock-1")]);
    expect(await everythingIn(api.store().redis)).not.toMatch(/Flur|Schlo|hub-1|lock-1/);
  });

  test("each refusal of one is the problem of the outcome that many have", async () => {
    await household();
    await bind("anna", "hub-2", "plug-1");
    await bind("boris", "tag-1");
    await call("PUT", "/v1/devices/hub-2/children/plug-1", { alias: "plug" });
    const said = async (child: string, alias: string, hub = "hub-1") =>
      (await call("PUT", `/v1/devices/${hub}/children/${child}`, { alias })).json?.code;
    expect(await said("unknown-9", "x")).toBe("not-bound");
    expect(await said("lock-1", "x", "unknown-9")).toBe("not-bound");
    expect(await said("tag-1", "x")).toBe("other-subject");
    expect(await said("lock-1", "lamp")).toBe("alias-taken");
    expect(await said("plug-1", "plug")).toBe("under-another-hub");
    expect(await said("hub-2", "hub")).toBe("is-hub");
    expect(await said("lock-1", "x", "lamp-1")).toBe("behind-hub");
    expect(await said("hub-1", "me")).toBe("itself");
    expect(await heard()).toEqual([device("lamp-1")]);
    const refusals = REGISTRATION_OUTCOMES.filter((one) => !["registered", "already", "twice"].includes(one));
    for (const one of refusals) expect(PROBLEMS).toHaveProperty([one, "status"], 409);
  });

  test("512 of the longest names fit into one body, 513 do not", async () => {
    await bind("anna", "hub-1");
    const many = Array.from({ length: 513 }, (_, index) => ({
      device: `${index}`.padEnd(128, "x"),
      alias: `${index}`
        .padEnd(128, "🔒")
        .slice(0, 128)
        .replace(/\ud83d$/, "y"),
      otherSubject: false,
    }));
    const most = await call("PUT", CHILDREN, { children: many.slice(0, 512) });
    expect([most.status, most.json.outcomes?.length]).toEqual([200, 512]);
    expect((await call("PUT", CHILDREN, { children: many })).status).toBe(400);
  });

  test.each([
    [{}],
    [{ children: [{ device: "lamp-1" }] }],
    [{ children: [{ device: "lamp-1", alias: "" }] }],
    [{ children: [{ device: "lamp-1", alias: "a\u0000b" }] }],
    [{ children: [{ device: "lamp-1", alias: "x".repeat(10_240) }] }],
    [{ children: [{ device: "lamp 1", alias: "x" }] }],
    [{ children: [{ device: "lamp-1", alias: "x", otherSubject: "yes" }] }],
    [{ children: { device: "lamp-1", alias: "x" } }],
  ])("body number %# is refused as a whole, and no value of it is said again", async (body) => {
    await bind("anna", "hub-1", "lamp-1");
    const answer = await call("PUT", CHILDREN, body);
    expect(answer).toMatchObject({ status: 400, json: { code: "invalid-request" } });
    expect(answer.text).not.toMatch(/lamp.1|xxx/);
    expect(await heard()).toEqual([]);
  });

  test("an alias used twice in one body is the first one's; a device named twice is registered once", async () => {
    await bind("anna", "hub-1", "lamp-1", "lock-1");
    const children = [
      { device: "lamp-1", alias: "a" },
      { device: "lock-1", alias: "a" },
      { device: "lamp-1", alias: "b" },
    ];
    const { json } = await call("PUT", CHILDREN, { children });
    expect(json.outcomes).toEqual(["registered", "alias-taken", "twice"]);
    expect(await heard()).toEqual([device("lamp-1")]);
  });

  test("the list says whether the hub's dialect lets it speak for others at all", async () => {
    await household();
    const hub = async () => (await call("GET", CHILDREN)).json.hub;
    expect(await hub()).toBe(false);
    await call("POST", "/v1/devices/hub-1/token", { dialect: "zigbee2mqtt" });
    expect(await hub()).toBe(true);
    await call("POST", "/v1/devices/hub-1/token", { dialect: "esphome" });
    expect(await hub()).toBe(false);
  });

  test("every act stands in the audit log, and whether it may be another subject's", async () => {
    await household();
    await bind("boris", "tag-1");
    await call("PUT", CHILDREN, {
      children: [
        { device: "lock-1", alias: "lock" },
        { device: "tag-1", alias: "tag", otherSubject: true },
      ],
    });
    await call("PUT", `${CHILDREN}/tag-1`, { alias: "tag 2", otherSubject: true });
    await call("DELETE", LAMP);
    const lines = await auditLines("children-registered");
    expect(lines.filter((line: { outcome: string }) => line.outcome === "asked")).toMatchObject([
      { device: device("lamp-1"), detail: { hub: device("hub-1"), otherSubject: 0 } },
      { device: device("hub-1"), detail: { children: 2, otherSubject: 1 } },
      { device: device("tag-1"), detail: { hub: device("hub-1"), otherSubject: 1 } },
    ]);
    expect(await auditLines("child-removed")).toMatchObject([
      { outcome: "asked", device: device("lamp-1"), detail: { hub: device("hub-1") } },
      { outcome: "done" },
    ]);
  });

  test("while Redis is away the answer is 503, and nothing speaks that did not", async () => {
    await household();
    const { redis, another } = api.store();
    redis.disconnect();
    const lock = { children: [{ device: "lock-1", alias: "lock" }] };
    expect((await call("PUT", CHILDREN, lock)).status).toBe(503);
    expect((await call("DELETE", LAMP)).status).toBe(503);
    const { hubs } = await another();
    expect((await hubs.load(device("hub-1"))).map(({ key, subjectTag }) => [key, subjectTag])).toEqual([
      [device("lamp-1"), subject("anna")],
    ]);
  });
});

describe("the owners", () => {
  const devicesIn = async (owner: string) => {
    const { text } = await call("GET", `/v1/subjects/${owner}/export`);
    const lines = text.trim().split("\n");
    return lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === "device");
  };

  test("see in their export how their devices speak, and whose hub or child is another person's", async () => {
    await household();
    await bind("boris", "tag-1");
    await call("PUT", `${CHILDREN}/tag-1`, { alias: "tag", otherSubject: true });
    await call("POST", "/v1/devices/hub-1/token", { dialect: "zigbee2mqtt", presence: true });
    const hub = device("hub-1");
    expect(await devicesIn("anna")).toMatchObject([
      {
        device: hub,
        connection: { dialect: "zigbee2mqtt", presence: true, hub: { children: 2, otherSubjects: 1 } },
      },
      { device: device("lamp-1"), connection: { behind: { hub, otherSubject: false } } },
      { device: device("lock-1") },
    ]);
    const boris = await devicesIn("boris");
    expect(boris).toMatchObject([{ device: device("tag-1"), connection: { behind: { otherSubject: true } } }]);
    // Of the other person's devices neither learns a name.
    expect(JSON.stringify(boris)).not.toContain(hub);
    expect(JSON.stringify(await devicesIn("anna"))).not.toContain(device("tag-1"));
    const read = await call("GET", "/v1/subjects/boris/export?format=summary");
    expect(read.text).toContain("Reports through a hub of another person.");
    // What is no longer theirs says nothing of who has it now.
    await bind("boris", "hub-1");
    await call("POST", "/v1/devices/hub-1/token", { dialect: "tasmota" });
    expect((await devicesIn("anna"))[0]).not.toHaveProperty("connection");
  });

  test.each([
    ["of the child", "boris"],
    ["of the hub", "anna"],
  ])("an erasure asked for by the owner %s ends the registration on both sides", async (_, owner) => {
    await household();
    await bind("boris", "tag-1");
    await call("PUT", `${CHILDREN}/tag-1`, { alias: "tag", otherSubject: true });
    const { erasures, finish } = erasuresOn(api.store());
    const begun = await erasures.request(subject(owner), { by: "subject", method: "api" });
    if (begun.refused !== undefined) throw new Error(begun.refused);
    await finish(begun.status.id);
    expect(await heard()).toEqual(owner === "anna" ? [] : [device("lamp-1")]);
    const { redis, keyspace } = api.store();
    expect(await redis.hkeys(keyspace.credential(device("tag-1")))).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^hub|otherSubject|left/)]),
    );
    expect(Object.values(await redis.hgetall(keyspace.children(device("hub-1"))))).not.toContain(device("tag-1"));
  });
});
