import { describe, expect, it } from "vitest";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import { PatientStart } from "./patient-start.ts";

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const away = new GatewayError("SINK_UNAVAILABLE", "test");

/** A sink whose first starts fail as told; each start takes a turn, as a real one does. */
function sinkFailing(errors: GatewayError[]) {
  const sink = {
    name: "influx",
    starts: 0,
    stopped: false,
    start: async (signal: AbortSignal) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (signal.aborted) throw new GatewayError("START_CANCELLED", "test");
      sink.starts += 1;
      const error = errors.shift();
      if (error !== undefined) throw error;
    },
    stop: async () => {
      sink.stopped = true;
    },
  };
  return sink;
}

describe("PatientStart", () => {
  const signal = new AbortController().signal;

  it("starts without a store that is away, refuses writes, and picks it up when it is back", async () => {
    const sink = sinkFailing([away, away, away]);
    const start = new PatientStart(sink, silent, { firstPauseMs: 1, maxPauseMs: 1 });
    await start.start(signal);
    await expect(start.use(async () => "written")).rejects.toThrow("SINK_UNAVAILABLE");
    while (!start.ready) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await start.use(async () => "written")).toBe("written");
    expect(sink.starts).toBe(4);
  });

  it("does not start when the store refuses us", async () => {
    const start = new PatientStart(sinkFailing([new GatewayError("SINK_DENIED", "test")]), silent);
    await expect(start.start(signal)).rejects.toThrow("SINK_DENIED");
  });

  it("asks a store that refuses us ever less often, and says so once", async () => {
    const refusals = Array.from({ length: 10_000 }, () => new GatewayError("SINK_DENIED", "test"));
    const sink = sinkFailing([away, ...refusals.slice(0, 5), away, ...refusals]);
    const told: string[] = [];
    const tell = (event: string, fields?: { readonly code?: string }) => void told.push(`${event} ${fields?.code}`);
    const pauses = { firstPauseMs: 4, maxPauseMs: 64 };
    const start = new PatientStart(sink, { info: tell, warn: tell, error: tell }, pauses);
    await start.start(signal);
    const begun = performance.now();
    while (sink.starts < 12) await new Promise((resolve) => setTimeout(resolve, 1));
    // 4 + 8 + 16 + 32 + 64, one for the outage, and 4 + 8 + 16 + 32 again.
    expect(performance.now() - begun).toBeGreaterThan(180);
    await start.stop();
    expect(told).toEqual([
      "starting without the store, messages wait in the queue SINK_UNAVAILABLE",
      "the store refuses us SINK_DENIED",
      "the store is away SINK_UNAVAILABLE",
      "the store refuses us SINK_DENIED",
    ]);
  });

  it("stops trying when it is stopped", async () => {
    const sink = sinkFailing(Array.from({ length: 10_000 }, () => away));
    const start = new PatientStart(sink, silent);
    await start.start(signal);
    await start.stop();
    const { starts } = sink;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect([sink.starts, sink.stopped]).toEqual([starts, true]);
  });
});
