import mqttPacket, { type IPublishPacket, type Packet } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { Random } from "../../../simulators/random.ts";
import { packetFault } from "./well-formed.ts";
import { bytesOf, wholePublish } from "./whole-publish.ts";

const LIMITS = { maxPacketBytes: 9_000, maxTopicBytes: 256 };
const PLAIN = { cmd: "publish", topic: "devices/lamp-1/telemetry", dup: false, retain: false } as const;

function packetOf(qos: 0 | 1 | 2, payload: string, more: Partial<IPublishPacket> = {}, protocolVersion = 4): Buffer {
  return mqttPacket.generate({ ...PLAIN, qos, messageId: qos === 0 ? undefined : 7, payload, ...more } as Packet, {
    protocolVersion,
  });
}

/** What mqtt-packet makes of the same bytes, when nothing is wrong with them and nothing is behind them. */
function byTheParser(bytes: Buffer, protocolVersion: number): Packet | undefined {
  const packets: Packet[] = [];
  let failed = false;
  const parser = mqttPacket.parser({ protocolVersion });
  parser.on("packet", (packet) => packets.push(packet));
  parser.on("error", () => {
    failed = true;
  });
  const left = parser.parse(bytes);
  const [packet] = packets;
  const { _pos } = parser as unknown as { readonly _pos: number };
  if (failed || left !== 0 || packets.length !== 1 || packet === undefined) return undefined;
  return packetFault(packet, _pos) === undefined ? packet : undefined;
}

describe("a PUBLISH that has come whole", () => {
  it("is read as mqtt-packet reads it, in both versions and with every QoS", () => {
    for (const version of [4, 5]) {
      for (const qos of [0, 1, 2] as const) {
        for (const payload of ["", "{}", "x".repeat(97), "x".repeat(200), "x".repeat(8_000)]) {
          const bytes = packetOf(qos, payload, { retain: true, dup: qos > 0 }, version);
          const packet = wholePublish(bytes, 0, version === 5, LIMITS);
          expect(packet, `${version} ${qos} ${payload.length}`).toEqual({ ...byTheParser(bytes, version) });
          expect(packet && bytesOf(packet)).toBe(bytes.length);
        }
      }
    }
  });

  it("is found behind others", () => {
    const [first, second] = [packetOf(1, "first"), packetOf(0, "second")];
    const bytes = Buffer.concat([first, second]);
    expect(String(wholePublish(bytes, 0, false, LIMITS)?.payload)).toBe("first");
    expect(String(wholePublish(bytes, first.length, false, LIMITS)?.payload)).toBe("second");
  });

  it.each([
    ["a part of one", packetOf(1, "all of it").subarray(0, -1)],
    ["its first byte", packetOf(1, "all of it").subarray(0, 1)],
    ["nothing", Buffer.alloc(0)],
    ["a packet of another type", Buffer.from([0xc0, 0])],
    ["what is longer than a packet may be", packetOf(1, "x".repeat(9_000))],
    ["a topic that is longer than a name may be", packetOf(1, "{}", { topic: "t".repeat(257) })],
    ["letters beyond ASCII", packetOf(1, "{}", { topic: "devices/läuft/telemetry" })],
  ])("leaves %s to the parser", (_what, bytes) => {
    expect(wholePublish(bytes, 0, false, LIMITS)).toBeUndefined();
  });

  it("leaves properties to the parser", () => {
    const bytes = packetOf(1, "{}", { properties: { messageExpiryInterval: 5 } }, 5);
    expect(wholePublish(bytes, 0, true, LIMITS)).toBeUndefined();
  });

  it("is never read where mqtt-packet and the checks around it find a fault, nor read otherwise", () => {
    const random = new Random("whole publish");
    const read = { whole: 0, left: 0 };
    for (let turn = 0; turn < 50_000; turn += 1) {
      const version = random.chance(0.5) ? 4 : 5;
      const qos = random.int(3) as 0 | 1 | 2;
      const bytes = packetOf(qos, "{}".repeat(random.int(4)), {}, version);
      for (let change = random.int(3); change > 0; change -= 1) bytes[random.int(bytes.length)] = random.int(256);
      const packet = wholePublish(bytes, 0, version === 5, LIMITS);
      if (packet === undefined) {
        read.left += 1;
        continue;
      }
      read.whole += 1;
      const own = bytes.subarray(0, bytesOf(packet));
      expect(packet, own.toString("hex")).toEqual({ ...byTheParser(own, version) });
    }
    expect(read.whole).toBeGreaterThan(10_000);
    expect(read.left).toBeGreaterThan(1_000);
  });
});
