/**
 * Services come, change and go while the gateway runs. Two gateways on one Redis, watched from outside: what one of them is told
 * holds on both, and what a service lost it gets no more.
 */
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Disclosure } from "../../src/model/disclosure.ts";
import type { ServicePurpose } from "../../src/model/purposes.ts";
import type { GatewayProcess } from "../../tools/stack/gateway-process.ts";
import { connectMqtt } from "../../tools/wire/connection.ts";
import { subscribe } from "../../tools/wire/service-subscriber.ts";
import { until } from "../fixtures/eventually.ts";
import { Listener } from "../fixtures/listener.ts";
import { SCENES } from "../fixtures/services.ts";
import { startTwoGateways, type TwoGateways } from "../fixtures/two-gateways.ts";

const MESSAGE = { model: "HB-200", status: { power_on: true, temperature: 21.5 } };
/** Between two looks of a gateway at Redis, for what it did not hear of. */
const LOOK_MS = 2_000;
const ROUNDS = 10;

let two: TwoGateways;
beforeAll(async () => {
  two = await startTwoGateways({ erasure: { sweepAfterMs: 1_600, acknowledgeWaitMs: 0 } }, { shortSteps: true });
});
afterAll(() => two?.stop());

const mqttUrl = (gateway: GatewayProcess) => `mqtt://127.0.0.1:${gateway.port("mqtt-tcp")}`;

async function put(name: string, more: object = {}, gateway = two.first): Promise<void> {
  const { status } = await two.ask(gateway, "PUT", `/v1/services/${name}`, { body: { ...SCENES, ...more } });
  expect(status).toBeOneOf([200, 201]);
}

async function tokenOf(name: string, gateway = two.first): Promise<string> {
  return (await two.ask(gateway, "POST", `/v1/services/${name}/tokens`)).json.token;
}

/** A service that is connected to both gateways, whichever of them a message goes through. */
class OnBoth {
  readonly #listeners: Listener[] = [];
  readonly name: string;
  readonly token: string;

  private constructor(name: string, token: string) {
    this.name = name;
    this.token = token;
  }

  static async to(name: string, token: string, purpose: ServicePurpose = "scene"): Promise<OnBoth> {
    const one = new OnBoth(name, token);
    for (const gateway of [two.first, two.second]) {
      const listener = new Listener(mqttUrl(gateway), purpose, { name, token });
      await listener.start();
      one.#listeners.push(listener);
    }
    return one;
  }

  get clients(): MqttClient[] {
    return this.#listeners.map(({ client }) => client);
  }

  get connected(): number {
    return this.clients.filter(({ connected }) => connected).length;
  }

  get records(): Record<string, unknown>[] {
    return this.#listeners.flatMap(({ records }) => records);
  }

  async caughtUp(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.caughtUp()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.stop()));
  }
}

async function mayLogIn(name: string, token: string, gateway = two.first): Promise<boolean> {
  try {
    const client = await connectMqtt(mqttUrl(gateway), { clientId: "try", username: name, password: token });
    client.end(true);
    return true;
  } catch {
    return false;
  }
}

/** Without the counts: those of the other gateway are seconds old. */
async function disclosuresOf(subject: string): Promise<string[]> {
  const answer = await two.system.stack.api.call("GET", "/v1/subjects/{subject}/disclosures", [subject]);
  return (answer as { disclosures: Disclosure[] }).disclosures.map(
    ({ recipient, contract }) => `${recipient} ${contract}`,
  );
}

async function settled(...services: OnBoth[]): Promise<void> {
  await two.system.settled();
  await Promise.all(services.map((service) => service.caughtUp()));
}

describe("a service that is registered while the gateways run", () => {
  test("is given what it may have from then on, within its categories, and stands in the account", async () => {
    const device = await two.system.device();
    await two.system.say(device, MESSAGE);
    await put("lights", { categories: ["status"] });
    const token = await tokenOf("lights");
    await until("the other gateway knows it", () => mayLogIn("lights", token, two.second));
    const lights = await OnBoth.to("lights", token);
    await two.system.say(device, MESSAGE);
    await settled(lights);
    expect(lights.records).toEqual([
      { device: expect.any(String), status: { power_on: true, temperature: 21.5 }, at: expect.any(Number) },
    ]);
    expect(await disclosuresOf(device.subject)).toEqual(["lights dpa-1"]);
    // Wider while it is connected: it takes effect on the connection that is there.
    await put("lights", { contractRef: "dpa-2" });
    await until(
      "the other gateway gives it models as well",
      async () => (await two.ask(two.second, "GET", "/v1/services/lights")).json.categories === undefined,
    );
    await two.system.say(device, MESSAGE);
    await settled(lights);
    expect(lights.records).toHaveLength(2);
    expect(lights.records.filter((record) => "model" in record)).toHaveLength(1);
    expect(await disclosuresOf(device.subject)).toEqual(["lights dpa-1", "lights dpa-2"]);
    // And nothing at all.
    await put("lights", { contractRef: "dpa-2", purposes: [] });
    await until(
      "the other gateway gives it nothing",
      async () => (await two.ask(two.second, "GET", "/v1/services/lights")).json.given.length === 0,
    );
    await two.system.say(device, MESSAGE);
    await two.system.settled();
    expect([lights.connected, lights.records.length]).toEqual([2, 2]);
    await lights.stop();
  });

  test("is cut off on every gateway when it is removed, and no login of it is left", async () => {
    await put("alarms");
    const tokens = [await tokenOf("alarms"), await tokenOf("alarms")];
    await until("the other gateway knows both", () => mayLogIn("alarms", tokens[1] ?? "", two.second));
    const alarms = [await OnBoth.to("alarms", tokens[0] ?? ""), await OnBoth.to("alarms", tokens[1] ?? "")];
    // One of each pair took the place of the other: the same client id.
    await until("two are connected", () => alarms.reduce((sum, { connected }) => sum + connected, 0) === 2);
    const { status } = await two.ask(two.first, "DELETE", "/v1/services/alarms");
    expect(status).toBe(204);
    await until("none is", () => alarms.every(({ connected }) => connected === 0));
    for (const gateway of [two.first, two.second])
      for (const token of tokens) expect(await mayLogIn("alarms", token, gateway)).toBe(false);
    expect(await two.ask(two.second, "GET", "/v1/services/alarms")).toMatchObject({ status: 404 });
  });

  test("changes its token without a gap: with two good ones, then one, and the connections of the other end", async () => {
    await put("clocks");
    const before = await tokenOf("clocks");
    await until("it is known", () => mayLogIn("clocks", before, two.second));
    const old = await OnBoth.to("clocks", before);
    const after = await tokenOf("clocks", two.second);
    await until("it is known", () => mayLogIn("clocks", after, two.first));
    expect(old.connected).toBe(2);
    expect((await two.ask(two.second, "DELETE", "/v1/services/clocks/tokens/1")).status).toBe(204);
    await until("what came with the old one is gone", () => old.connected === 0);
    expect([await mayLogIn("clocks", before), await mayLogIn("clocks", after)]).toEqual([false, true]);
  });

  test("is heard of by the other gateway when it changes, which waits for no look", async () => {
    await put("quick");
    const begun = performance.now();
    for (let round = 0; round < ROUNDS; round += 1) {
      const issued = (await two.ask(two.first, "POST", "/v1/services/quick/tokens")).json;
      let client: MqttClient | undefined;
      await until("the other gateway lets it in", async () => {
        client = await connectMqtt(mqttUrl(two.second), { username: "quick", password: issued.token });
        return true;
      });
      await two.ask(two.first, "DELETE", `/v1/services/quick/tokens/${issued.number}`);
      await until("it is cut off there", () => client?.connected === false);
    }
    // Each of two changes a round would wait for a look, and each look is another one.
    expect(performance.now() - begun).toBeLessThan(ROUNDS * LOOK_MS);
  });

  test("a change that a gateway did not hear of reaches it all the same", async () => {
    await put("bells");
    const token = await tokenOf("bells");
    await until("it is known", () => mayLogIn("bells", token, two.second));
    const bells = await OnBoth.to("bells", token);
    await two.system.redis.call("CLIENT", "KILL", "TYPE", "pubsub");
    await two.ask(two.first, "DELETE", "/v1/services/bells");
    await until("both have cut it off", () => bells.connected === 0);
  });

  test("is the same after a restart of the gateway", async () => {
    await put("lamps", { maxConnections: 3 });
    const token = await tokenOf("lamps");
    const shown = (await two.ask(two.first, "GET", "/v1/services/lamps")).json;
    await two.first.stop();
    await two.system.stack.startGateway();
    expect((await two.ask(two.first, "GET", "/v1/services/lamps")).json).toEqual(shown);
    expect(await mayLogIn("lamps", token, two.first)).toBe(true);
  });
});

describe("an erasure", () => {
  test("is told to a service that has lost the purpose, and its receipt names one that is gone", async () => {
    await put("former");
    await put("gone");
    const [formerToken, goneToken] = [await tokenOf("former"), await tokenOf("gone")];
    await until("both are known", () => mayLogIn("gone", goneToken, two.second));
    const services = [await OnBoth.to("former", formerToken), await OnBoth.to("gone", goneToken)];
    const device = await two.system.device();
    await two.system.say(device, MESSAGE);
    await settled(...services);
    expect((await disclosuresOf(device.subject)).toSorted()).toEqual(["former dpa-1", "gone dpa-1"]);
    await put("former", { purposes: [] });
    await two.ask(two.first, "DELETE", "/v1/services/gone");
    expect((await disclosuresOf(device.subject)).toSorted()).toEqual(["former dpa-1", "gone dpa-1"]);

    const names = (services[0] as OnBoth).records.map(({ device: name }) => name);
    const forgotten: unknown[] = [];
    await until("the other gateway knows of both changes", async () => {
      const former = await two.ask(two.second, "GET", "/v1/services/former");
      return former.json.former.includes("scene");
    });
    for (const client of (services[0] as OnBoth).clients) {
      client.on("message", (topic, payload) => {
        if (topic !== "privacy/erased/scene") return;
        const { id, pseudonyms } = JSON.parse(payload.toString()) as { id: string; pseudonyms: unknown[] };
        forgotten.push(...pseudonyms);
        client.publish("privacy/erased/scene/ack", JSON.stringify({ id }), { qos: 1 });
      });
      expect(await subscribe(client, ["privacy/erased/scene"])).toBe("granted");
      expect(await subscribe(client, ["processed/scene/#"])).toBe("denied");
    }
    const { receipt } = await two.system.erase(device.subject);
    await until("its digest has come", () => names.every((name) => forgotten.includes(name)));
    expect(receipt?.receipt.untold).toEqual([{ purpose: "scene", recipient: "gone" }]);
  });
});
