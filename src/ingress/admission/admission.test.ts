/** Admission by itself, without a broker: anyone who hands in messages is answered once each, in their order, and made to wait. */
import { afterEach, describe, expect, it } from "vitest";
import { grantsOf } from "../../model/consent.ts";
import { DeviceId, type DeviceKey, type SubjectTag } from "../../model/ids.ts";
import type { Refusal } from "../../model/outcome.ts";
import { PARTS } from "../../model/raw.ts";
import { TokenBucket } from "../../platform/rate.ts";
import { Vocabulary } from "../../vocabulary/vocabulary.ts";
import { Admission, type AdmissionPorts, type Admitted } from "./admission.ts";
import { Inbound } from "./inbound.ts";
import { connectionOf, type Publisher, publisherOf } from "./publisher.ts";

const STATUS = PARTS.indexOf("status");
const ON = '{"power_on":true}';
const LIMITS = { inFlightPerConnection: 100, inFlightMessages: 100, inFlightBytes: 1 << 20 };
const started: Admission[] = [];
afterEach(() => Promise.all(started.splice(0).map((admission) => admission.stop())));

interface Overrides extends Partial<Pick<AdmissionPorts, "enqueue" | "checkConsent" | "held">> {
  readonly limits?: Partial<typeof LIMITS>;
  readonly maxBatch?: number;
  readonly isAnswered?: boolean;
}

function setUp({ limits, maxBatch = 100, isAnswered = true, ...ports }: Overrides = {}) {
  const seen: string[] = [];
  const admitted: Admitted[] = [];
  const admission = new Admission(
    {
      maxPayloadBytes: 200,
      times: { clockWindowPastMs: 1_000, clockWindowFutureMs: 1_000 },
      lookupKey: Buffer.alloc(32, 1),
      vocabulary: new Vocabulary(),
      limits: { ...LIMITS, ...limits },
      commit: { maxItems: maxBatch, maxBytes: 1 << 20, flushesInFlight: 2, beatMs: 0, deadlineMs: 60_000 },
    },
    {
      checkConsent: async (devices) => devices.map(() => ({ grants: ALL, wrappedSubjectKey: "key" })),
      enqueue: async (messages) => void admitted.push(...messages),
      held: () => false,
      hold: async (device) => void seen.push(`hold ${device}`),
      writableAgain: async () => false,
      books: {
        received: () => undefined,
        refused: () => undefined,
        admitted: () => undefined,
        recovered: () => undefined,
        stored: () => undefined,
        forwardedOnly: () => undefined,
        deadLettered: () => undefined,
      },
      observe: {
        batch: () => undefined,
        pubackSeconds: () => undefined,
        clockReplaced: () => undefined,
        repeated: () => undefined,
        securityEvent: (kind) => seen.push(kind),
        propertyDropped: (why) => seen.push(`dropped ${why}`),
      },
      whereabouts: { cellOf: () => undefined, moved: () => undefined },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      hint: () => undefined,
      ...ports,
    },
  );
  started.push(admission);
  admission.start();
  admission.afterBatch(() => seen.push("batch"));

  /** A protocol of its own. */
  class Message extends Inbound {
    readonly name: string;
    readonly isAnswered = isAnswered;
    readonly answered: (answer: Refusal | "durable") => void;
    constructor(from: Publisher, name: string, part: number, text: string, answered: Message["answered"]) {
      super(from, part, Buffer.from(text));
      this.name = name;
      this.answered = answered;
    }

    finish(): void {
      seen.push(this.name);
      this.answered(this.refusal ?? "durable");
    }
  }

  const publisher = (id = "hub-4711", { burst = 100, bound = true } = {}): Publisher => {
    const key = `key-${id}` as DeviceKey;
    const ref = bound ? { deviceKey: key, subjectTag: `tag-${id}` as SubjectTag } : undefined;
    const bucket = new TokenBucket(0.001, burst, Date.now());
    return publisherOf(
      DeviceId(id) as DeviceId,
      { key, ref, bucket },
      connectionOf({ pause: () => seen.push(`pause ${id}`), resume: () => seen.push(`resume ${id}`) }),
    );
  };
  const send = (from: Publisher, name: string, text = ON, part = STATUS): Promise<Refusal | "durable"> =>
    new Promise((resolve) => admission.submit(new Message(from, name, part, text, resolve)));
  return { admission, admitted, seen, publisher, send };
}

const ALL = grantsOf({ analytics: ["model", "location", "status"] });

describe("messages", () => {
  it("are finished in the order of their arrival, admitted or refused, and answers can be sent after the last of a batch", async () => {
    const { admitted, seen, publisher, send } = setUp({ maxBatch: 3 });
    const [one, other] = [publisher("hub-1"), publisher("hub-2")];
    const answers = [send(one, "a"), send(other, "b", "{"), send(one, "c"), send(other, "d")];
    expect(await Promise.all(answers)).toEqual(["durable", "invalid-payload", "durable", "durable"]);
    await Promise.resolve();
    expect(seen).toEqual(["a", "b", "c", "batch", "d", "batch"]);
    expect(admitted.map(({ ref, part, text }) => [ref.deviceKey, part, text])).toEqual([
      ["key-hub-1", STATUS, ON],
      ["key-hub-1", STATUS, ON],
      ["key-hub-2", STATUS, ON],
    ]);
  });

  it("are refused for one reason each", async () => {
    const { publisher, send } = setUp({
      checkConsent: async (devices) =>
        devices.map(({ deviceKey }) =>
          deviceKey === "key-denied" ? { refusal: "no-consent" as const } : { grants: ALL, wrappedSubjectKey: "key" },
        ),
    });
    const device = publisher();
    const slow = publisher("slow", { burst: 1 });
    expect(
      await Promise.all([
        send(device, "a", "x".repeat(201), -1),
        send(device, "b", ON, -1),
        send(device, "c", '{"power_on":true,"power_on":false}'),
        send(device, "d", '{"label":"hub 4711"}'),
        send(publisher("stray", { bound: false }), "e"),
        send(publisher("denied"), "f"),
        send(slow, "g"),
        send(slow, "h"),
        send(device, "i", '{"ip":"192.0.2.1"}', PARTS.indexOf("ip")),
      ]),
    ).toEqual([
      "too-large",
      "invalid-topic",
      "invalid-payload",
      "invalid-payload",
      "unknown-device",
      "no-consent",
      "durable",
      "over-rate",
      "purpose-denied",
    ]);
  });

  it("that cannot be made durable are finished as that, and a refusal stays what it is", async () => {
    const { publisher, send } = setUp({ enqueue: () => Promise.reject(new Error("away")) });
    const device = publisher();
    expect(await Promise.all([send(device, "a"), send(device, "b", "{")])).toEqual(["not-durable", "invalid-payload"]);
  });
});

describe("a refusal for a reason that concerns a person", () => {
  const refusing = (isAnswered: boolean, enqueue?: AdmissionPorts["enqueue"]) => {
    const written: number[] = [];
    const asked: number[] = [];
    const set = setUp({
      isAnswered,
      checkConsent: async (devices) => {
        asked.push(devices.length);
        return devices.map(() => ({ refusal: "no-consent" as const }));
      },
      enqueue: async (messages, signal) => {
        written.push(messages.length);
        await enqueue?.(messages, signal);
      },
    });
    return { ...set, written, asked };
  };

  it("is acknowledged only when as much was read and written as for a message that is kept", async () => {
    const { publisher, send, written, asked } = refusing(true);
    expect(await send(publisher("denied"), "a")).toBe("no-consent");
    expect(await send(publisher("stray", { bound: false }), "b")).toBe("unknown-device");
    expect(asked).toEqual([1, 0]);
    expect(written).toEqual([0, 0]);
  });

  it("fails as others do when nothing can be written", async () => {
    const { publisher, send } = refusing(true, () => Promise.reject(new Error("away")));
    expect(await send(publisher("denied"), "a")).toBe("not-durable");
    expect(await send(publisher("stray", { bound: false }), "b")).toBe("not-durable");
  });

  it("costs nothing where it is not acknowledged, and neither does any other refusal", async () => {
    const silent = refusing(false);
    expect(await silent.send(silent.publisher("denied"), "a")).toBe("no-consent");
    expect(await silent.send(silent.publisher("stray", { bound: false }), "b")).toBe("unknown-device");
    expect(silent).toMatchObject({ written: [], asked: [1] });
    const answered = refusing(true);
    expect(await answered.send(answered.publisher(), "c", "{")).toBe("invalid-payload");
    expect(answered).toMatchObject({ written: [], asked: [] });
  });

  it("says nothing of consent where there was nothing but a first total to tell", async () => {
    const written: number[] = [];
    const { publisher, send } = setUp({ enqueue: async (messages) => void written.push(messages.length) });
    expect(await send(publisher(), "a", '{"energy":1}')).toBe("not-taken");
    expect(written).toEqual([0]);
  });
});

describe("a status", () => {
  it("rests as it came when all of it is known, and without what is not known otherwise", async () => {
    const { admitted, seen, publisher, send } = setUp();
    const device = publisher();
    const exact = '{ "temperature":21.40,"ts":5 }';
    await send(device, "a", exact);
    await send(
      device,
      "b",
      '{"temperature":"21.4","note":"Anna","ssid":"home","hue":361,"color_mode":"pink","co2":"x"}',
    );
    await send(
      device,
      "c",
      '{"location":{"lat":1,"lon":2},"status":{"nested":{"deep":[1]}}}',
      PARTS.indexOf("telemetry"),
    );
    await send(device, "d", '{"temperature":null,"humidity":50}');
    expect(admitted.map(({ text }) => text)).toEqual([
      exact,
      '{"status":{"temperature":21.4}}',
      '{"location":{"lat":1,"lon":2}}',
      '{"status":{"humidity":50}}',
    ]);
    expect(seen.filter((event) => event.startsWith("dropped"))).toEqual([
      "dropped unknown",
      "dropped personal",
      "dropped out-of-range",
      "dropped not-a-word",
      "dropped not-a-number",
      "dropped unknown",
    ]);
  });

  it("of which nothing is known is refused, and account data refuses everything", async () => {
    const { admitted, seen, publisher, send } = setUp();
    const device = publisher();
    expect(await send(device, "a", '{"note":"Anna"}')).toBe("nothing-known");
    expect(await send(device, "b", "{}")).toBe("nothing-known");
    expect(await send(device, "c", '{"temperature":21,"x":{"userId":1}}')).toBe("invalid-payload");
    expect(await send(device, "d", '{"model":"a","password":"x"}', PARTS.indexOf("telemetry"))).toBe("invalid-payload");
    expect(seen.filter((event) => event === "account-key")).toHaveLength(2);
    expect(admitted).toEqual([]);
  });

  it("holds differences instead of totals, in the order of arrival, and nothing of a total", async () => {
    const { admitted, seen, publisher, send } = setUp();
    const device = publisher();
    const answers = await Promise.all(
      [10.005, 10.02, 10.02, 10.04].map((energy, n) => send(device, `${n}`, JSON.stringify({ energy }))),
    );
    expect(answers).toEqual(["not-taken", "durable", "not-taken", "durable"]);
    expect(seen.filter((event) => event.startsWith("hold"))).toEqual(["hold key-hub-4711"]);
    expect(admitted.map(({ text }) => text)).toEqual(['{"status":{"energy":0.02}}', '{"status":{"energy":0.02}}']);
  });

  it("leaves no note of its gateway while the device has no consent", async () => {
    const { seen, publisher, send } = setUp({
      checkConsent: async (devices) => devices.map(() => ({ refusal: "no-consent" as const })),
    });
    expect(await send(publisher(), "a", '{"energy":1}')).toBe("no-consent");
    expect(seen.filter((event) => event.startsWith("hold"))).toEqual([]);
  });

  it("tells nothing of what another gateway has told since", async () => {
    const { admitted, publisher, send } = setUp();
    const device = publisher();
    await send(device, "a", '{"energy":1}');
    await send(device, "b", '{"energy":1.02}');
    // Logged in again, after another gateway has noted that it tells the differences.
    const again = publisher();
    expect(await send(again, "c", '{"energy":1.05}')).toBe("not-taken");
    expect(await send(again, "d", '{"energy":1.06}')).toBe("durable");
    expect(admitted.map(({ text }) => text)).toEqual(['{"status":{"energy":0.02}}', '{"status":{"energy":0.01}}']);
  });

  it("tells no difference across a refusal by consent", async () => {
    let refuse = false;
    const { admitted, publisher, send } = setUp({
      checkConsent: async (devices) =>
        devices.map(() => (refuse ? { refusal: "consent-withdrawn" } : { grants: ALL, wrappedSubjectKey: "key" })),
    });
    const device = publisher();
    await send(device, "a", '{"energy":1}');
    refuse = true;
    expect(await send(device, "b", '{"energy":1.01}')).toBe("consent-withdrawn");
    refuse = false;
    expect(await send(device, "c", '{"energy":1.02}')).toBe("not-taken");
    expect(await send(device, "d", '{"energy":1.03}')).toBe("durable");
    expect(admitted.map(({ text }) => text)).toEqual(['{"status":{"energy":0.01}}']);
  });
});

describe("a publisher", () => {
  it("is paused at its bound, and resumed once half of it is free and the answers have been sent", async () => {
    const durable: (() => void)[] = [];
    const { admission, seen, publisher, send } = setUp({
      limits: { inFlightPerConnection: 2 },
      maxBatch: 1,
      enqueue: () => new Promise((resolve) => durable.push(resolve)),
    });
    const device = publisher("hub-1");
    const answers = [send(device, "a"), send(device, "b")];
    expect([seen, admission.flow.pausedConnections]).toEqual([["pause hub-1"], 1]);
    while (durable.length < 2) await new Promise(setImmediate);
    durable[0]?.();
    await answers[0];
    await new Promise(setImmediate);
    expect([seen, admission.flow.pausedConnections]).toEqual([["pause hub-1", "a", "batch", "resume hub-1"], 0]);
    durable[1]?.();
    await answers[1];
    expect(admission.flow.messages).toBe(0);
  });

  it("that is gone is not resumed, and what it sent is finished all the same", async () => {
    const { admission, seen, publisher, send } = setUp({ limits: { inFlightPerConnection: 1 } });
    const device = publisher("hub-1");
    const answer = send(device, "a");
    admission.flow.gone(device.connection);
    expect(await answer).toBe("durable");
    await new Promise(setImmediate);
    expect(seen).toEqual(["pause hub-1", "a", "batch"]);
  });
});
