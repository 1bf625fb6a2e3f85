/** What the CONNACK of MQTT 5 says (3.2): what the gateway grants, and why it refuses, and nothing beyond. */
import { describe, expect, test } from "vitest";
import { type IngressFixture, type IngressOverrides, SERVICE_TOKEN, TOKEN } from "../../fixtures/ingress.ts";
import { ingress5 } from "../../fixtures/mqtt5/ingress5.ts";
import { type Connect5, connect5, PINGREQ, publish5 } from "../../fixtures/mqtt5/packets.ts";
import { property, userProperty } from "../../fixtures/mqtt5/properties.ts";
import type { Packet5 } from "../../fixtures/mqtt5/reader.ts";

const { open, peer } = ingress5();
let ingress: IngressFixture;

const start = async (overrides: IngressOverrides = {}): Promise<void> => {
  ingress = await open(overrides);
};

const DEVICE = { id: "hub-1", token: TOKEN };
const SERVICE = { id: "services", token: SERVICE_TOKEN };

const connack = (change: Connect5 = {}, login = DEVICE): Promise<Packet5> => peer().login(login, change);

describe("a device that is let in", () => {
  test("is told the limits, and of nothing that is left out because it is there", async () => {
    await start();
    const { reasons, sessionPresent, properties } = await connack();
    expect({ reasons, sessionPresent }).toEqual({ reasons: [0], sessionPresent: false });
    const { topicAliasMaximum, subscriptionIdentifiersAvailable, ...rest } = properties;
    expect(rest).toEqual({ receiveMaximum: 256, maximumPacketSize: 65_536, sharedSubscriptionAvailable: 0 });
    expect(topicAliasMaximum).toBeGreaterThan(0);
    expect([undefined, 0]).toContain(subscriptionIdentifiersAvailable);
  });

  test("is a hub: it may send what a hub must", async () => {
    await start({ speaks: { "hub-1": { dialect: "zigbee2mqtt", children: { lamp: "lamp-1" } } } });
    expect((await connack()).properties.maximumPacketSize).toBe(1 << 20);
  });

  test.each([
    [undefined, undefined],
    [0, undefined],
    [60, 0],
    [0xffff_ffff, 0],
  ])("asks for a session of %s seconds and is told %s [MQTT-3.1.2-23], 3.2.2.3.2", async (asked, answered) => {
    await start();
    const all = asked === undefined ? [] : [property("sessionExpiry", asked)];
    expect((await connack({ properties: all })).properties.sessionExpiry).toBe(answered);
  });

  test.each([true, false])(
    "has no session, with clean start %s and after one before it [MQTT-3.2.2-2]",
    async (cleanStart) => {
      await start();
      const change = { cleanStart, properties: [property("sessionExpiry", 600)] };
      const first = peer();
      expect((await first.login(DEVICE, change)).sessionPresent).toBe(false);
      first.end();
      expect((await connack(change)).sessionPresent).toBe(false);
    },
  );

  test.each([
    [0, 60],
    [61, 60],
    [65_535, 60],
    [60, undefined],
    [1, undefined],
  ])("with a keep alive of %s is told %s [MQTT-3.1.2-21]", async (keepalive, answered) => {
    await start();
    expect((await connack({ keepalive })).properties.serverKeepAlive).toBe(answered);
  });

  test("without a client id is given one, that no one else has [MQTT-3.1.3-7]", async () => {
    await start();
    const given = await Promise.all(
      ["hub-1", "hub-2"].flatMap((id) =>
        [true, false].map((cleanStart) => connack({ clientId: "", cleanStart }, { id, token: TOKEN })),
      ),
    );
    const ids = given.map(({ properties }) => properties.assignedClientId as string);
    expect(ids.every((id) => id.length > 0)).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => id.includes("hub-"))).toEqual([]);
    expect((await connack({ clientId: "mine" })).properties.assignedClientId).toBeUndefined();
  });

  test("has room for the longest CONNACK there is in the smallest packets that it may ask for", async () => {
    await start({ broker: { maxKeepaliveS: 65_534 } });
    const properties = [property("sessionExpiry", 1), property("maximumPacketSize", 70)];
    const { bytes, reasons } = await connack({ clientId: "", keepalive: 0, properties });
    expect(reasons).toEqual([0]);
    expect(bytes.length).toBeLessThanOrEqual(70);
    expect(bytes.length).toBeGreaterThan(60);
  });

  test("gets no response information, no user property and no reason, whatever it asks for", async () => {
    await start();
    const asks = [property("requestResponseInformation", 1), property("requestProblemInformation", 1)];
    const { properties } = await connack({ properties: [...asks, userProperty("a", "b")] });
    for (const name of ["responseInformation", "userProperty", "reasonString"] as const) {
      expect(properties[name]).toBeUndefined();
    }
  });

  test("may say 3.1.1 beside one that says 5, and is answered in its own words", async () => {
    await start();
    const old = await ingress.device("hub-2");
    expect(old.connected).toBe(true);
    await connack();
    expect(ingress.events.filter((one) => one === "opened:device")).toHaveLength(2);
  });
});

describe("a service that is let in", () => {
  test("is told its limits", async () => {
    await start();
    const { reasons, properties } = await connack({ clientId: "svc" }, SERVICE);
    expect(reasons).toEqual([0]);
    expect(properties).toMatchObject({ receiveMaximum: 256, maximumPacketSize: 65_536 });
    expect(properties.retainAvailable).toBeUndefined();
    expect(properties.wildcardSubscriptionAvailable).toBeUndefined();
  });
});

describe("anyone who is not let in", () => {
  const refused = async (change: Connect5 = {}, login = DEVICE): Promise<Packet5> => {
    const one = peer();
    const answer = await one.login(login, change);
    // [MQTT-3.2.2-7], [MQTT-3.2.2-6]
    await one.gone();
    expect(answer.sessionPresent).toBe(false);
    expect(one.packets).toHaveLength(1);
    return answer;
  };
  const WRONG = "w".repeat(43);

  test("is not told whether the id exists", async () => {
    await start();
    const [known, unknown, service] = [
      await refused({}, { id: "hub-1", token: WRONG }),
      await refused({}, { id: "nobody-1", token: WRONG }),
      await refused({}, { id: "services", token: WRONG }),
    ];
    expect(known.reasons).toEqual([0x86]);
    expect(unknown.bytes.equals(known.bytes)).toBe(true);
    expect(service.bytes.equals(known.bytes)).toBe(true);
  });

  test("has failed too often", async () => {
    await start({ failedLogins: 1 });
    expect((await refused({}, { id: "hub-1", token: WRONG })).reasons).toEqual([0x86]);
    expect((await refused({}, { id: "hub-1", token: WRONG })).reasons).toEqual([0x9f]);
    expect((await connack()).reasons).toEqual([0]);
  });

  test("comes while nothing can be looked up, or nothing made durable", async () => {
    await start();
    ingress.behind.credentials = () => Promise.reject(new Error("away"));
    expect([0x88, 0x89]).toContain((await refused()).reasons[0]);
    ingress.behind.credentials = async () => undefined;
    ingress.behind.backlogFull = true;
    expect([0x88, 0x89]).toContain((await refused()).reasons[0]);
  });

  test("ends its own connection too often", async () => {
    await start({ broker: { takeoversPerMinute: 1 } });
    await connack();
    await connack();
    expect((await refused()).reasons).toEqual([0x97]);
  });

  test("has a client id that is too long, or, as a service, none", async () => {
    await start();
    expect((await refused({ clientId: "x".repeat(129) })).reasons).toEqual([0x85]);
    expect((await refused({ clientId: "x".repeat(2_000) })).reasons).toEqual([0x85]);
  });

  test("sends a CONNECT that is too large", async () => {
    await start();
    const one = peer();
    const login = one.login(DEVICE, { properties: [userProperty("a", "x".repeat(5_000))] });
    await expect(
      login.then(
        ({ reasons }) => reasons[0],
        () => 0x95,
      ),
    ).resolves.toBe(0x95);
    await one.gone();
  });

  test("hears nothing that asks for no reasons [MQTT-3.1.2-29]", async () => {
    await start();
    const change = { properties: [property("requestProblemInformation", 0)] };
    const { properties } = await refused(change, { id: "hub-1", token: WRONG });
    expect(properties.userProperty).toBeUndefined();
  });

  test("sends packets behind its CONNECT that are not looked at [MQTT-3.1.4-6]", async () => {
    await start();
    const one = peer();
    one.bytes(connect5({ id: "hub-1", token: WRONG }), publish5("devices/hub-1/status"), PINGREQ);
    expect(await one.gone()).toBe("CONNACK 0x86");
    expect(one.packets).toHaveLength(1);
    expect(ingress.counts.received).toBe(0);
    // Of one that is let in they are.
    const other = peer();
    other.bytes(connect5(DEVICE), publish5("devices/hub-1/status"));
    expect((await other.next("PUBACK")).reasons).toEqual([0]);
  });
});
