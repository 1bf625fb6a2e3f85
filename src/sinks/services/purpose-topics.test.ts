import { describe, expect, it } from "vitest";
import { type CategoryMask, IP, MODEL, PURPOSE_USES, STATUS } from "../../model/consent.ts";
import type { SceneRecord } from "../../model/deidentified.ts";
import type { DisclosureLine, Outgoing, Recipient } from "../../model/disclosure.ts";
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym, SubjectTag } from "../../model/ids.ts";
import { SERVICE_PURPOSES, type ServicePurpose } from "../../model/purposes.ts";
import { Accounting } from "./disclosure-accounting.ts";
import { NotedNames } from "./noted-names.ts";
import { type Outlet, PurposeTopics, type PurposeTopicsPort } from "./purpose-topics.ts";

type Told = Outgoing["result"];

const message: Required<Told> = {
  scene: { device: "scene-pseudonym" as Pseudonym, model: "hub", status: { power: "on" }, at: 1000 },
  network: { device: "network-pseudonym" as Pseudonym, ipPrefix: "203.0.0.0/16", at: 10_000 },
};
const EPOCH_MS = 7 * 86_400_000;
const AT = 2_957 * EPOCH_MS + 5;
const of = (result: Told, subject = "one", revision = 4, at = AT): Outgoing => ({
  subject: subject as SubjectTag,
  revision,
  wrappedSubjectKey: `key of ${subject}`,
  at,
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
  const noted: [wrappedKey: string, subject: string, recipient: string, name: string, until: number][] = [];
  const self = {
    listening: [...services],
    onOpen: async () => {},
    onNote: async () => {},
    nowMs: Date.UTC(2026, 2, 7, 12),
    packets: 0,
  };
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
      changes: 0,
      hears: (name) => service.only === undefined || service.only === name,
      deliver: (name, packet) => {
        if (service.only !== undefined && service.only !== name) return false;
        const [topic = "", payload = ""] = packet().toString().split(" ");
        published.push([service.name, topic, payload]);
        return service.deaf !== true;
      },
    };
  };
  const port: PurposeTopicsPort = {
    to: {
      outlets: (purpose) => self.listening.filter((service) => service.purpose === purpose).map(outletOf),
      listening: (purpose) => self.listening.some((service) => service.purpose === purpose),
      left: () => undefined,
    },
    packet: (purpose, name, payload) => {
      self.packets += 1;
      return Buffer.from(`${purpose}/${name} ${payload}`);
    },
    counted: (purpose, count) => void counts.push([purpose, count]),
    now: () => self.nowMs,
  };
  const names = new NotedNames(
    { recipients, maxNames: 1 },
    {
      note: async (forwarded) => {
        await self.onNote();
        for (const { wrappedSubjectKey, subject, recipient, name, until } of forwarded)
          noted.push([wrappedSubjectKey, subject, recipient.name, name, until]);
      },
    },
  );
  const [topics, network] = (["scene", "network"] as const).map(
    (purpose) => new PurposeTopics(port, { accounting, names, epochMs: EPOCH_MS }, purpose),
  ) as [PurposeTopics, PurposeTopics];
  const forward = async (...batch: Outgoing[]) => {
    const told = [(await topics.announce(batch))(), (await network.announce(batch))()];
    return batch.map((_, index) => told.some((delivered) => delivered[index]));
  };
  return Object.assign(self, { topics, network, forward, published, counts, opened, added, noted, accounting });
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
    const { scene, network } = message;
    await forward(of({ scene: { ...scene, ...leak }, network: { ...network, ...leak } } as Told));
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

  it("builds nothing for a purpose no one listens to", async () => {
    const { forward, published, counts } = outlet({ name: "scene", purpose: "scene" });
    const untouchable: Told = {
      get network(): never {
        throw new Error("built for no one");
      },
    };
    expect(await forward(of(untouchable), of(message), of({}))).toEqual([false, true, false]);
    expect(published.map(([, topic]) => topic)).toEqual(["scene/scene-pseudonym"]);
    expect(counts).toEqual([["scene", 1]]);
  });

  it("makes each packet once for all who hear it, and none for a name that no one listens to", async () => {
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
    const { network } = message;
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

  it("names who gets something on this day: a service that knows the name and comes while it is written hears the next batch", async () => {
    const test = outlet(...scenes);
    await test.forward(of(message));
    test.nowMs += 86_400_000;
    const all = test.listening;
    test.listening = all.slice(1);
    test.onOpen = async () => {
      test.listening = all;
    };
    test.published.length = 0;
    await test.forward(of(message));
    expect(test.opened.slice(2)).toEqual(["one alarms scene 2026-03-08"]);
    expect(test.published.map(([service]) => service)).toEqual(["alarms"]);
    await test.forward(of(message));
    expect(test.opened.slice(3)).toEqual(["one lights scene 2026-03-08"]);
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
    const test = outlet(lights, { ...alarms, only: "someone-else" });
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

  it("is opened again at a later revision of the ledger: an erasure may have taken it", async () => {
    const test = outlet({ name: "scene", purpose: "scene" });
    for (const revision of [4, 4, 7, 5]) await test.forward(of(message, "one", revision));
    expect(test.opened).toHaveLength(2);
  });
});

describe("names that go to a service", () => {
  it("are noted with the end of the epoch after theirs before anything is handed over, once each", async () => {
    const test = outlet({ name: "lights", purpose: "scene" });
    test.onNote = async () => expect(test.published).toEqual([]);
    await test.forward(of(message), of(message));
    expect(test.noted).toEqual([["key of one", "one", "lights", "scene-pseudonym", 2_959 * EPOCH_MS]]);
    await test.forward(of(message));
    expect([test.noted.length, test.published.length]).toEqual([1, 3]);
  });

  it("are that of the home too, which is noted once, and without which nothing is handed over", async () => {
    const test = outlet(
      { name: "lights", purpose: "scene" },
      { name: "alarms", purpose: "scene", only: "scene-pseudonym" },
    );
    const scene = (device: string) => ({
      ...(message.scene as SceneRecord),
      device: device as Pseudonym,
      home: "home-pseudonym" as Pseudonym,
    });
    test.onNote = async () => expect(test.published).toEqual([]);
    await test.forward(of({ scene: scene("scene-pseudonym") }), of({ scene: scene("other-pseudonym") }));
    expect(test.noted.map(([, , recipient, name]) => [recipient, name]).toSorted()).toEqual([
      ["alarms", "home-pseudonym"],
      ["alarms", "scene-pseudonym"],
      ["lights", "home-pseudonym"],
      ["lights", "other-pseudonym"],
      ["lights", "scene-pseudonym"],
    ]);
    expect(test.published.map(([, , payload]) => JSON.parse(payload).home)).toEqual(Array(3).fill("home-pseudonym"));
    test.onNote = () => Promise.reject(new GatewayError("REDIS_UNAVAILABLE"));
    const moved = { ...scene("scene-pseudonym"), home: "next-home-pseudonym" as Pseudonym };
    await expect(test.forward(of({ scene: moved }))).rejects.toThrow("REDIS_UNAVAILABLE");
    expect(test.published).toHaveLength(3);
  });

  it("are noted for those services alone that hear them", async () => {
    const test = outlet(
      { name: "lights", purpose: "scene" },
      { name: "alarms", purpose: "scene", only: "someone-else" },
      { name: "wires", purpose: "network" },
    );
    await test.forward(of(message));
    expect(test.noted.map(([, , recipient, name]) => [recipient, name])).toEqual([
      ["lights", "scene-pseudonym"],
      ["wires", "network-pseudonym"],
    ]);
  });

  it("that can't be noted let nothing out", async () => {
    const test = outlet({ name: "lights", purpose: "scene" });
    test.onNote = () => Promise.reject(new GatewayError("REDIS_UNAVAILABLE"));
    await expect(test.forward(of(message))).rejects.toThrow("REDIS_UNAVAILABLE");
    expect(test.published).toEqual([]);
    test.onNote = async () => {};
    await test.forward(of(message));
    expect([test.noted.length, test.published.length]).toEqual([1, 1]);
  });

  it("that a service begins to listen to meanwhile are not handed over before they are noted", async () => {
    const lights: { name: string; purpose: "scene"; only?: string } = { name: "lights", purpose: "scene", only: "one" };
    const test = outlet(lights);
    const scene = message.scene as NonNullable<Told["scene"]>;
    const batch = ["one", "other"].map((name) => of({ scene: { ...scene, device: name as Pseudonym } }));
    const deliver = await test.topics.announce(batch);
    delete lights.only;
    expect(deliver()).toEqual([true, false]);
    expect(await test.forward(...batch)).toEqual([true, true]);
    expect(test.noted.map(([, , , name]) => name)).toEqual(["one", "other"]);
  });

  it("that a service is to get only since its categories were widened are not handed over before they are noted", async () => {
    const wires: Service = { name: "wires", purpose: "network", categories: MODEL };
    const test = outlet(wires);
    const network = message.network as NonNullable<Told["network"]>;
    const batch = [
      of({ network: { ...network, device: "one" as Pseudonym, model: "hub" } }),
      of({ network: { ...network, device: "other" as Pseudonym } }),
    ];
    const deliver = await test.network.announce(batch);
    Object.assign(wires, { categories: PURPOSE_USES.network });
    expect(deliver()).toEqual([true, false]);
    expect(await test.forward(...batch)).toEqual([true, true]);
    expect(test.noted.map(([, , , name]) => name)).toEqual(["one", "other"]);
  });

  it("are handed over although more of them were noted at once than are remembered", async () => {
    const test = outlet({ name: "lights", purpose: "scene" });
    const scene = message.scene as NonNullable<Told["scene"]>;
    const many = Array.from({ length: 1_500 }, (_, index) =>
      of({ scene: { ...scene, device: `name-${index}` as Pseudonym } }),
    );
    expect(await test.forward(...many)).not.toContain(false);
    expect([test.noted.length, test.published.length]).toEqual([1_500, 1_500]);
  });
});
