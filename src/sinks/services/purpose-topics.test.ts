import { describe, expect, it } from "vitest";
import {
  type CategoryMask,
  IP,
  MODEL,
  PURPOSE_USES,
  SERVICE_PURPOSES,
  type ServicePurpose,
  STATUS,
} from "../../model/consent.ts";
import type { Deidentified } from "../../model/deidentified.ts";
import type { DisclosureLine, Outgoing, Recipient } from "../../model/disclosure.ts";
import { GatewayError } from "../../model/errors.ts";
import type { CellId, Pseudonym, SubjectTag } from "../../model/ids.ts";
import { Accounting } from "./disclosure-accounting.ts";
import { type Outlet, PurposeTopics } from "./purpose-topics.ts";

const message: Deidentified = {
  weather: {
    cell: "8560145bfffffff" as CellId,
    center: { lat: 12.9, lon: 77.6 },
    status: { temperature: 21.5 },
  },
  scene: { device: "scene-pseudonym" as Pseudonym, model: "hub", status: { power: "on" }, at: 1000 },
  network: { device: "network-pseudonym" as Pseudonym, ipPrefix: "203.0.0.0/16", at: 10_000 },
};
const of = (result: Deidentified, subject = "one", revision = 4): Outgoing => ({
  subject: subject as SubjectTag,
  revision,
  result,
});

interface Service {
  readonly name: string;
  readonly purpose: ServicePurpose;
  /** The only topic it listens to; all of its purpose by default. */
  readonly only?: string;
  /** What it gets of that which the purpose uses; all of it by default. */
  readonly categories?: CategoryMask;
  /** Takes nothing that it is handed. */
  readonly deaf?: boolean;
}

/** These services listen, unless a test takes them out of `listening`; the account is kept in lists. */
function outlet(...services: Service[]) {
  const published: [recipient: string, topic: string, payload: string][] = [];
  const counts: [ServicePurpose, number][] = [];
  const opened: string[] = [];
  const added: [string, number][] = [];
  const self = { listening: [...services], onOpen: async () => {}, nowMs: Date.UTC(2026, 2, 7, 12), packets: 0 };
  const recipients = services.map(
    ({ name, purpose }, index): Recipient => ({ index, name, purpose, region: "IN", contract: undefined }),
  );
  const text = ({ subject, recipient, day }: DisclosureLine) =>
    `${subject} ${recipient.name} ${recipient.purpose} ${day}`;
  const accounting = new Accounting(
    { recipients, maxLines: 1_000 },
    {
      open: async (lines) => {
        await self.onOpen();
        opened.push(...lines.map(text));
      },
      add: async (_number, lines) =>
        void added.push(...lines.map(([line, count]) => [text(line), count] as [string, number])),
    },
  );
  const outletOf = (service: Service): Outlet => {
    const recipient = recipients[services.indexOf(service)];
    if (recipient === undefined) throw new Error("not a service of this test");
    return {
      recipient,
      categories: service.categories ?? PURPOSE_USES[service.purpose],
      hears: (name) => service.only === undefined || service.only === name,
      deliver: (name, packet) => {
        if (service.only !== undefined && service.only !== name) return false;
        const [topic = "", payload = ""] = packet().toString().split(" ");
        published.push([service.name, topic, payload]);
        return service.deaf !== true;
      },
    };
  };
  const topics = new PurposeTopics(
    {
      outlets: (purpose) => self.listening.filter((service) => service.purpose === purpose).map(outletOf),
      packet: (purpose, name, payload) => {
        self.packets += 1;
        return Buffer.from(`${purpose}/${name} ${payload}`);
      },
      counted: (purpose, count) => void counts.push([purpose, count]),
      now: () => self.nowMs,
    },
    accounting,
  );
  const forward = async (...batch: Outgoing[]) => (await topics.announce(batch))();
  return Object.assign(self, { topics, forward, published, counts, opened, added, accounting });
}

const EACH = SERVICE_PURPOSES.map((purpose) => ({ name: purpose, purpose }));

describe("PurposeTopics", () => {
  it("publishes what the contract says, field by field", async () => {
    const { forward, published } = outlet(...EACH);
    expect(await forward(of(message))).toEqual([true]);
    expect(published).toEqual([
      [
        "scene",
        "scene/scene-pseudonym",
        '{"device":"scene-pseudonym","model":"hub","status":{"power":"on"},"at":1000}',
      ],
      ["network", "network/network-pseudonym", '{"device":"network-pseudonym","ipPrefix":"203.0.0.0/16","at":10000}'],
    ]);
  });

  it("lets no other field out, even when a record holds one", async () => {
    const { forward, published } = outlet(...EACH);
    const leak = { canary: "canary" };
    const { weather, scene, network } = message as Required<Deidentified>;
    await forward(
      of({ weather: { ...weather, ...leak }, scene: { ...scene, ...leak }, network: { ...network, ...leak } }),
    );
    expect(published).toHaveLength(2);
    expect(JSON.stringify(published)).not.toContain("canary");
  });

  it("gives a service whose categories are narrower no more than those, beside others that get all", async () => {
    const test = outlet(
      { name: "narrow", purpose: "scene", categories: STATUS },
      { name: "wide", purpose: "scene" },
      { name: "families", purpose: "network", categories: MODEL },
      { name: "prefixes", purpose: "network", categories: IP },
    );
    // The network record of this message has no model: for a service that gets nothing but models there is nothing in it.
    expect(await test.forward(of(message))).toEqual([true]);
    expect(test.published.map(([name, , payload]) => [name, JSON.parse(payload)])).toEqual([
      ["narrow", { device: "scene-pseudonym", status: { power: "on" }, at: 1000 }],
      ["wide", { device: "scene-pseudonym", model: "hub", status: { power: "on" }, at: 1000 }],
      ["prefixes", { device: "network-pseudonym", ipPrefix: "203.0.0.0/16", at: 10_000 }],
    ]);
    expect(test.opened).not.toContainEqual(expect.stringContaining("families"));
  });

  it("gives what is left of the categories when they are narrowed between the account and the handing over", async () => {
    const test = outlet({ name: "scenes", purpose: "scene" });
    const [service] = test.listening as [Service];
    const hand = await test.topics.announce([of(message)]);
    Object.assign(service, { categories: STATUS });
    expect(hand()).toEqual([true]);
    expect(JSON.parse(test.published[0]?.[2] ?? "")).not.toHaveProperty("model");
  });

  it("builds nothing for a purpose nobody listens to", async () => {
    const { forward, published, counts } = outlet({ name: "scene", purpose: "scene" });
    const untouchable: Deidentified = {
      get network(): never {
        throw new Error("built for nobody");
      },
    };
    expect(await forward(of(untouchable), of(message), of({}))).toEqual([false, true, false]);
    expect(published.map(([, topic]) => topic)).toEqual(["scene/scene-pseudonym"]);
    expect(counts).toEqual([["scene", 1]]);
  });

  it("makes each packet once for all who hear it, and none for a name that nobody listens to", async () => {
    const test = outlet(
      { name: "lights", purpose: "scene" },
      { name: "alarms", purpose: "scene" },
      { name: "one name", purpose: "network", only: "another" },
    );
    expect(await test.forward(of(message), of(message))).toEqual([true, true]);
    expect([test.published.length, test.packets]).toEqual([4, 2]);
  });

  it("accounts for every disclosure, by purpose", async () => {
    const { forward, counts } = outlet(...EACH.slice(1));
    const network = message.network as Required<Deidentified>["network"];
    await forward(of(message), of(message), of({}), of({ network }));
    expect(counts).toEqual([
      ["scene", 2],
      ["network", 3],
    ]);
  });

  it("counts nothing as delivered that no service got", async () => {
    const { forward, published, counts, accounting, added } = outlet({ name: "scene", purpose: "scene", deaf: true });
    expect(await forward(of(message))).toEqual([false]);
    expect(published).toHaveLength(1);
    expect(counts).toEqual([]);
    await accounting.flush();
    expect(added).toEqual([]);
  });
});

describe("the account", () => {
  const scenes = ["lights", "alarms"].map((name) => ({ name, purpose: "scene" as const }));

  it("names every recipient of every subject before anything goes to anybody, once for each day", async () => {
    const test = outlet(...scenes);
    test.onOpen = async () => expect(test.published).toEqual([]);
    await test.forward(of(message, "one"), of(message, "one"), of(message, "two"), of({}, "three"));
    expect(test.opened).toEqual([
      "one lights scene 2026-03-07",
      "one alarms scene 2026-03-07",
      "two lights scene 2026-03-07",
      "two alarms scene 2026-03-07",
    ]);
    expect(test.published).toHaveLength(6);
    await test.forward(of(message, "one"), of(message, "two"));
    expect(test.opened).toHaveLength(4);
    test.nowMs += 86_400_000;
    test.onOpen = async () => {};
    await test.forward(of(message, "one"));
    expect(test.opened.slice(4)).toEqual(["one lights scene 2026-03-08", "one alarms scene 2026-03-08"]);
  });

  it("that can't be written lets nothing out", async () => {
    const test = outlet(...scenes);
    test.onOpen = () => Promise.reject(new GatewayError("REDIS_UNAVAILABLE"));
    await expect(test.forward(of(message))).rejects.toThrow("REDIS_UNAVAILABLE");
    expect(test.published).toEqual([]);
    test.onOpen = async () => {};
    await test.forward(of(message));
    expect(test.published).toHaveLength(2);
  });

  it("does not name who does not listen to that name, and counts two services apart", async () => {
    const [lights, alarms] = scenes as [Service, Service];
    const test = outlet(lights, { ...alarms, only: "somebody-else" });
    await test.forward(of(message), of(message));
    await test.accounting.flush();
    expect(test.opened).toEqual(["one lights scene 2026-03-07"]);
    expect(test.added).toEqual([["one lights scene 2026-03-07", 2]]);
  });

  it("decides who is given something: who begins to listen meanwhile waits, who stops gets nothing", async () => {
    const test = outlet(...scenes);
    const [lights, alarms] = scenes as [Service, Service];
    test.listening = [lights];
    const late = await test.topics.announce([of(message)]);
    test.listening = [lights, alarms];
    expect(late()).toEqual([true]);
    expect(test.published.map(([recipient]) => recipient)).toEqual(["lights"]);
    const gone = await test.topics.announce([of(message)]);
    test.listening = [];
    expect(gone()).toEqual([false]);
    expect(test.published).toHaveLength(1);
  });

  it("is opened anew at a later revision of the ledger: an erasure may have taken it", async () => {
    const test = outlet({ name: "scene", purpose: "scene" });
    for (const revision of [4, 4, 7, 5]) await test.forward(of(message, "one", revision));
    expect(test.opened).toHaveLength(2);
  });
});
