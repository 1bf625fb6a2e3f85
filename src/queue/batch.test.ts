import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import { carriedBy, PARTS, validatePart } from "../model/raw.ts";
import { decodeBatch, encodeBatch, encodeMessages, type QueuedMessage } from "./batch.ts";
import { halfOf, JobIds, jobPlace, jobSize, wholeOf } from "./job.ts";

const ref = (name: string): DeviceRef => ({
  deviceKey: `key-${name}` as DeviceKey,
  subjectTag: `tag-${name}` as SubjectTag,
});
const alice = ref("alice");
const bob = ref("bob");

const status = fc.dictionary(
  fc.stringMatching(/^[a-z]{3,8}x$/),
  fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.stringMatching(/^[A-Za-z ]{0,20}$/)),
  { minKeys: 1, maxKeys: 5 },
);
const telemetry = fc.record(
  {
    model: fc.constantFrom("HB-200", "TH-7 Pro"),
    ip: fc.ipV4(),
    location: fc.record({
      lat: fc.double({ min: -90, max: 90, noNaN: true }),
      lon: fc.double({ min: -180, max: 180, noNaN: true }),
    }),
    status,
    id: fc.stringMatching(/^[a-z0-9]{1,12}$/),
  },
  { requiredKeys: ["status"] },
);

describe("a batch", () => {
  it("decodes to what was encoded, for any valid payloads", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(alice, bob), telemetry), { maxLength: 20 }), (rows) => {
        const queued = rows.map(
          ([device, payload], index): QueuedMessage => ({
            ref: device,
            part: PARTS.indexOf("telemetry"),
            at: 1_700_000_000_000 + index,
            sub: index,
            text: JSON.stringify(payload),
          }),
        );
        const opened = decodeBatch(encodeBatch(queued));
        expect(opened.map(({ device, at, sub }) => ({ device, at, sub }))).toEqual(
          queued.map(({ ref: device, at, sub }) => ({ device, at, sub })),
        );
        for (const [index, message] of opened.entries()) {
          const expected = JSON.parse(queued[index]?.text ?? "");
          expect(message.telemetry).toEqual(expected);
          expect(message.carried).toBe(carriedBy(expected));
        }
        expect(decodeBatch(encodeMessages(opened))).toEqual(opened);
      }),
    );
  });

  it("gives the payload of every topic the same shape as admission", () => {
    const payloads: Record<string, unknown> = {
      model: { model: "HB-200", id: "m1" },
      ip: { ip: "203.0.113.7" },
      location: { lat: 12.97, lon: 77.59, ts: 1_700_000_000_000 },
      status: { power_on: true, battery: 87, ts: 1_700_000_000_000, id: "s1" },
    };
    for (const [part, payload] of Object.entries(payloads)) {
      const name = PARTS.find((candidate) => candidate === part) ?? "telemetry";
      const text = JSON.stringify(payload);
      const [opened] = decodeBatch(encodeBatch([{ ref: alice, part: PARTS.indexOf(name), at: 1, sub: 2, text }]));
      expect(JSON.parse(JSON.stringify(opened?.telemetry))).toEqual(
        JSON.parse(JSON.stringify(validatePart(name, payload))),
      );
    }
  });

  it("keeps under which revision of the ledger a message was admitted, however often it is packed", () => {
    const text = '{"power_on":true}';
    const packed = encodeBatch([
      { ref: alice, revision: 3, part: 4, at: 1, sub: 1, text },
      { ref: bob, part: 4, at: 1, sub: 2, text },
    ]);
    const opened = decodeBatch(encodeMessages(decodeBatch(packed)));
    expect(opened.map(({ device }) => device.revision)).toEqual([3, undefined]);
  });

  it("names each device once, however many messages it sent", () => {
    const text = encodeBatch([1, 2, 3].map((sub) => ({ ref: alice, part: 4, at: 1, sub, text: '{"power_on":true}' })));
    expect(text.split("key-alice")).toHaveLength(2);
  });
});

describe("a job id", () => {
  const size = { messages: 500, bytes: 65_536 };

  it("contains the size of its batch, is no integer and contains no colon", () => {
    const id = new JobIds().next(size);
    expect(jobSize(id)).toEqual(size);
    expect(id).not.toMatch(/:|^\d+$/);
    expect(new JobIds().next(size)).not.toBe(id);
  });

  it("contains its position among those of its producer", () => {
    const ids = new JobIds();
    const [first, second] = [jobPlace(ids.next(size)), jobPlace(ids.next(size))];
    expect(second).toEqual({ origin: first.origin, number: first.number + 1, part: "" });
    expect(jobPlace(new JobIds().next(size)).origin).not.toBe(first.origin);
  });

  it("of a half contains its own size and the batch it is a part of", () => {
    const id = new JobIds().next(size);
    const quarter = halfOf(halfOf(id, "b", { messages: 250, bytes: 40_000 }), "a", { messages: 125, bytes: 20_000 });
    expect(jobSize(quarter)).toEqual({ messages: 125, bytes: 20_000 });
    expect(jobPlace(quarter)).toEqual({ ...jobPlace(id), part: "ba" });
    expect(wholeOf(quarter)).toBe(wholeOf(id));
  });
});
