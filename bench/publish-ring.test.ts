import { parser } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { validatePart } from "../src/model/raw.ts";
import { messageIdOf, nativeMessages, PublishRing } from "./publish-ring.ts";

interface Published {
  readonly messageId: number;
  readonly payload: string;
}

function read(bytes: Buffer): Published[] {
  const published: Published[] = [];
  const reader = parser();
  reader.on("packet", (packet) => {
    if (packet.cmd === "publish") published.push({ messageId: packet.messageId ?? 0, payload: String(packet.payload) });
  });
  reader.parse(bytes);
  return published;
}

describe("PublishRing", () => {
  it("numbers messages in turn and never uses 0", () => {
    expect([0, 1, 65_534, 65_535, 131_069].map(messageIdOf)).toEqual([1, 2, 65_535, 1, 65_535]);
  });

  it("prepares as many messages as asked, up to the end of the ring", () => {
    const ring = new PublishRing(nativeMessages("d", 0), 20);
    expect(ring.take(0, 12).taken).toBe(12);
    const { bytes, taken } = ring.take(12, 12);
    expect(taken).toBe(8);
    expect(read(bytes).map(({ messageId }) => messageId)).toEqual([13, 14, 15, 16, 17, 18, 19, 20]);
    expect(read(ring.take(20, 4).bytes).map(({ messageId }) => messageId)).toEqual([21, 22, 23, 24]);
  });

  it("leaves the slots of unacknowledged messages untouched", () => {
    const ring = new PublishRing(nativeMessages("d", 0), 20);
    const underWay = ring.take(0, 10).bytes;
    const before = Buffer.from(underWay);
    ring.take(10, 10);
    expect(underWay.equals(before)).toBe(true);
  });

  it("sends messages of the contract, about 150 bytes, that differ from one another", () => {
    for (let device = 0; device < 12; device += 1) {
      const ring = new PublishRing(nativeMessages("d", device), 20);
      const payloads = read(ring.take(0, 20).bytes).map(({ payload }) => payload);
      expect(new Set(payloads).size).toBe(20);
      for (const payload of payloads) {
        expect(validatePart("telemetry", JSON.parse(payload)), payload).toBeDefined();
        expect(payload.length).toBeGreaterThan(130);
        expect(payload.length).toBeLessThan(170);
      }
    }
  });
});
