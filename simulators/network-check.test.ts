/** What a network service heard, held against what was sent: it notices a name too many or too few, and another form. */
import { describe, expect, it } from "vitest";
import type { Expectation } from "./expectation.ts";
import { checkNetwork } from "./network-check.ts";
import { SentLog } from "./sent-log.ts";

const TOLD: Expectation = { kind: "stored", forwarded: ["network"] };
const SCENE: Expectation = { kind: "stored", forwarded: ["scene"] };
const FENCED: Expectation = { kind: "either", reasons: ["consent-withdrawn"], forwarded: ["network"] };
const AT = 1_788_393_600_000;

/** Devices, each with two messages. */
function sent(...devices: Expectation[]): SentLog {
  const log = new SentLog();
  for (const [index, expectation] of [...devices, ...devices].entries()) {
    const topic = `devices/d${index % devices.length}/telemetry`;
    const base = { standing: "consenting", part: "telemetry", qos: 1, payload: "{}", traceable: true } as const;
    log.add({ ...base, seq: log.nextSeq(), topic, expectation, sentAt: 1, acknowledgedAt: 2 });
  }
  return log;
}

const packet = (more: object) => ({ payload: Buffer.from(JSON.stringify({ at: AT, ...more })) });
const heard = (...names: string[]) => names.map((device) => packet({ device, model: "hub", ipPrefix: "203.0.0.0/16" }));

describe("checkNetwork", () => {
  it("accepts a name for each device that may be heard of, however often it is told, in each epoch", () => {
    const log = sent(TOLD, TOLD, SCENE);
    expect(checkNetwork(log, heard("a", "b", "a", "b", "a"), true)).toEqual([]);
    const later = [packet({ device: "c", model: "hub", at: AT + 7 * 86_400_000 })];
    expect(checkNetwork(log, [...heard("a", "b"), ...later], true)).toEqual([]);
  });

  it("accepts either end of a withdrawal, and fewer names while not everything is told", () => {
    const log = sent(TOLD, FENCED);
    for (const names of [["a"], ["a", "b"]]) expect(checkNetwork(log, heard(...names), true)).toEqual([]);
    expect(checkNetwork(log, [], false)).toEqual([]);
  });

  it.each([
    ["a name too many", heard("a", "b", "c")],
    ["a name too few", heard("a")],
    ["nothing at all", []],
    ["an address", [...heard("a", "b"), packet({ device: "a", ipPrefix: "203.0.113.7" })]],
    ["a field more", [...heard("a", "b"), packet({ device: "a", model: "hub", status: {} })]],
    ["neither family nor prefix", [...heard("a", "b"), packet({ device: "a" })]],
  ])("notices %s", (_what, packets) => {
    expect(checkNetwork(sent(TOLD, TOLD, SCENE), packets, true)).not.toEqual([]);
  });
});
