import { generate, parser } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { AckParser, encodeConnect, encodePublish, encodeSubscribe, SubscriberParser } from "./mqtt-wire.ts";

/** What an independent implementation reads. */
function readBack(bytes: Buffer): Record<string, unknown>[] {
  const read: Record<string, unknown>[] = [];
  const reader = parser();
  reader.on("packet", (packet) => read.push({ ...packet }));
  reader.on("error", (error) => {
    throw error;
  });
  reader.parse(bytes);
  return read;
}

function collector() {
  const seen: string[] = [];
  const sink = {
    connack: (code: number) => seen.push(`connack ${code}`),
    puback: (id: number) => seen.push(`puback ${id}`),
  };
  return { seen, parser: new AckParser(sink) };
}

describe("encoding", () => {
  it("writes a CONNECT whose client id is its username", () => {
    const bytes = encodeConnect({ id: "bench-7", password: "t".repeat(43), keepAliveSeconds: 300 });
    expect(readBack(bytes)).toMatchObject([
      { cmd: "connect", protocolVersion: 4, clientId: "bench-7", username: "bench-7", clean: true, keepalive: 300 },
    ]);
    expect(String(readBack(bytes)[0]?.password)).toBe("t".repeat(43));
  });

  it("writes the same for MQTT 5", () => {
    const login = { id: "bench-7", password: "secret", keepAliveSeconds: 300, version: 5 } as const;
    const bytes = Buffer.concat([
      encodeConnect(login),
      encodePublish("a/b", 7, Buffer.from("{}"), 5),
      encodeSubscribe("a/#", 5),
    ]);
    const [connect, publish, subscribe] = readBack(bytes);
    expect(connect).toMatchObject({ protocolVersion: 5, clientId: "bench-7", username: "bench-7", keepalive: 300 });
    expect(publish).toMatchObject({ topic: "a/b", messageId: 7, payload: Buffer.from("{}") });
    expect(subscribe).toMatchObject({ messageId: 1, subscriptions: [{ topic: "a/#", qos: 0 }] });
  });

  it.each([1, 100, 127, 128, 20_000])("writes a PUBLISH with a payload of %i bytes", (size) => {
    const bytes = encodePublish("devices/bench-7/telemetry", 0xabcd, Buffer.alloc(size, 120));
    const [packet] = readBack(bytes);
    expect(packet).toMatchObject({ cmd: "publish", qos: 1, dup: false, retain: false, messageId: 0xabcd });
    expect(packet?.topic).toBe("devices/bench-7/telemetry");
    expect(packet?.payload).toHaveLength(size);
  });
});

describe("AckParser", () => {
  const stream = Uint8Array.from([0x20, 2, 0, 0, 0x40, 2, 0, 1, 0x40, 2, 0xff, 0xfe, 0xd0, 0, 0x40, 2, 1, 0]);
  const expected = ["connack 0", "puback 1", "puback 65534", "puback 256"];

  it("reads whole packets", () => {
    const { seen, parser: acks } = collector();
    acks.feed(stream, stream.length);
    expect(seen).toEqual(expected);
  });

  it("reads the same from a stream cut at any two places", () => {
    for (let first = 0; first <= stream.length; first += 1) {
      for (let second = first; second <= stream.length; second += 1) {
        const { seen, parser: acks } = collector();
        for (const part of [stream.slice(0, first), stream.slice(first, second), stream.slice(second)]) {
          acks.feed(part, part.length);
        }
        expect(seen, `cut at ${first} and ${second}`).toEqual(expected);
      }
    }
  });

  it("reads those of MQTT 5, whatever their properties, cut at any place", () => {
    const connack = {
      cmd: "connack",
      reasonCode: 0,
      sessionPresent: false,
      properties: { receiveMaximum: 256, serverKeepAlive: 60 },
    } as const;
    const bytes = Buffer.concat([
      generate(connack, { protocolVersion: 5 }),
      Buffer.from([0x40, 3, 0, 7, 0x87]),
      Buffer.from([0xe0, 1, 0x8b]),
    ]);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const { seen, parser: acks } = collector();
      for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) acks.feed(part, part.length);
      expect(seen, `cut at ${cut}`).toEqual(["connack 0", "puback 7"]);
    }
  });

  it("does not look past the given length of a reused buffer", () => {
    const { seen, parser: acks } = collector();
    acks.feed(Uint8Array.from([0x40, 2, 0, 9, 0x40, 2, 0, 8]), 4);
    expect(seen).toEqual(["puback 9"]);
  });

  it("refuses a packet it does not expect", () => {
    const { parser: acks } = collector();
    expect(() => acks.feed(Uint8Array.from([0x30, 2, 0, 0]), 4)).toThrow("packet type 3");
  });
});

describe("what a service is sent", () => {
  const seen: string[] = [];
  const sink = {
    connack: (code: number) => seen.push(`connack ${code}`),
    suback: (code: number) => seen.push(`suback ${code}`),
    publish: () => seen.push("publish"),
  };
  const publish = (payload: string) =>
    generate({ cmd: "publish", topic: "processed/scene/x", payload, qos: 0, dup: false, retain: false });
  const stream = Buffer.concat([
    generate({ cmd: "connack", returnCode: 0, sessionPresent: false }),
    generate({ cmd: "suback", messageId: 1, granted: [128] }),
    publish("x"),
    generate({ cmd: "pingresp" }),
    publish("x".repeat(20_000)),
    publish("x".repeat(200)),
  ]);

  it.each([1, 2, 3, 7, 64, stream.length])("is counted when it comes in pieces of %i bytes", (size) => {
    seen.length = 0;
    const reader = new SubscriberParser(sink);
    for (let at = 0; at < stream.length; at += size) {
      const piece = stream.subarray(at, at + size);
      reader.feed(piece, piece.length);
    }
    expect(seen).toEqual(["connack 0", "suback 128", "publish", "publish", "publish"]);
  });

  it("is asked for with a SUBSCRIBE that others can read", () => {
    expect(readBack(encodeSubscribe("processed/scene/#"))).toMatchObject([
      { cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "processed/scene/#", qos: 0 }] },
    ]);
  });
});
