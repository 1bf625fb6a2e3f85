import { describe, expect, it, vi } from "vitest";
import { GatewayError } from "../model/errors.ts";
import type { Log, LogFields } from "../model/log.ts";
import { type Part, startAll, stopAll } from "./lifecycle.ts";

function recorder(): { log: Log; lines: { event: string; fields: LogFields | undefined }[] } {
  const lines: { event: string; fields: LogFields | undefined }[] = [];
  const add = (event: string, fields?: LogFields) => void lines.push({ event, fields });
  return { log: { info: add, warn: add, error: add }, lines };
}

/** Parts that record what happens to them. */
function parts(names: string, behaviour: Record<string, Partial<Part>> = {}): { calls: string[]; all: Part[] } {
  const calls: string[] = [];
  const all = names.split(" ").map((name) => ({
    name,
    start: (signal: AbortSignal) => {
      calls.push(`+${name}`);
      return behaviour[name]?.start?.(signal);
    },
    stop: () => {
      calls.push(`-${name}`);
      return behaviour[name]?.stop?.();
    },
  }));
  return { calls, all };
}

const never = () => new Promise<void>(() => {});
const soon = { stopDeadlineMs: 20, log: recorder().log };
const idle = new AbortController().signal;

describe("startAll", () => {
  it("starts in order, each after the one before is up", async () => {
    let up = false;
    const { all, calls } = parts("store queue ingress", {
      store: {
        start: async () => {
          await new Promise(setImmediate);
          up = true;
        },
      },
      queue: { start: () => expect(up).toBe(true) },
    });
    await startAll(all, idle, soon);
    expect(calls).toEqual(["+store", "+queue", "+ingress"]);
  });

  it("stops what was begun, including the failing part, in reverse, and rejects with the fault itself", async () => {
    const fault = new GatewayError("SINK_DENIED");
    const { all, calls } = parts("store queue ingress", { queue: { start: () => Promise.reject(fault) } });
    await expect(startAll(all, idle, soon)).rejects.toBe(fault);
    expect(calls).toEqual(["+store", "+queue", "-queue", "-store"]);
  });

  it("treats a start that throws like one that rejects", async () => {
    const { all, calls } = parts("store", {
      store: {
        start: () => {
          throw new GatewayError("KEY_INVALID");
        },
      },
    });
    await expect(startAll(all, idle, soon)).rejects.toMatchObject({ code: "KEY_INVALID" });
    expect(calls).toEqual(["+store", "-store"]);
  });

  it("starts nothing once a stop was requested", async () => {
    const { all, calls } = parts("store queue");
    await expect(startAll(all, AbortSignal.abort(), soon)).rejects.toMatchObject({ code: "START_CANCELLED" });
    expect(calls).toEqual([]);
  });

  it("cancels between two parts", async () => {
    const abort = new AbortController();
    const { all, calls } = parts("store queue", { store: { start: () => abort.abort() } });
    await expect(startAll(all, abort.signal, soon)).rejects.toMatchObject({ code: "START_CANCELLED" });
    expect(calls).toEqual(["+store", "-store"]);
  });

  it("cancels after the last part too, so that an aborted start does not look like a running gateway", async () => {
    const abort = new AbortController();
    const { all, calls } = parts("store", { store: { start: () => abort.abort() } });
    await expect(startAll(all, abort.signal, soon)).rejects.toMatchObject({ code: "START_CANCELLED" });
    expect(calls).toEqual(["+store", "-store"]);
  });

  it("passes the signal to a start in progress and waits for it before stopping", async () => {
    const abort = new AbortController();
    const order: string[] = [];
    const { all } = parts("store", {
      store: {
        start: (signal) =>
          new Promise((_, fail) =>
            signal.addEventListener("abort", () => {
              order.push("start ended");
              fail(new Error("interrupted"));
            }),
          ),
        stop: () => void order.push("stopped"),
      },
    });
    const starting = startAll(all, abort.signal, { ...soon, stopDeadlineMs: 5_000 });
    setImmediate(() => abort.abort());
    await expect(starting).rejects.toMatchObject({ code: "START_CANCELLED" });
    expect(order).toEqual(["start ended", "stopped"]);
  });

  it("does not wait forever for a start that ignores the abort", async () => {
    const abort = new AbortController();
    const { all, calls } = parts("store", { store: { start: never } });
    const starting = startAll(all, abort.signal, soon);
    setImmediate(() => abort.abort());
    await expect(starting).rejects.toMatchObject({ code: "START_CANCELLED" });
    expect(calls).toEqual(["+store", "-store"]);
  });

  it("leaves no listener on the signal", async () => {
    const { signal } = new AbortController();
    const removed = vi.spyOn(signal, "removeEventListener");
    await startAll(parts("store queue").all, signal, soon);
    expect(removed).toHaveBeenCalledTimes(2);
  });
});

describe("stopAll", () => {
  it("stops last first and reports a clean stop", async () => {
    const { all, calls } = parts("store queue ingress");
    expect(await stopAll(all, soon)).toEqual([]);
    expect(calls).toEqual(["-ingress", "-queue", "-store"]);
  });

  it("continues after a part that hangs, throws or rejects, and names each in log and result", async () => {
    const { log, lines } = recorder();
    const { all, calls } = parts("store queue worker ingress", {
      ingress: { stop: never },
      worker: { stop: () => Promise.reject(new GatewayError("SINK_UNAVAILABLE", "10.1.2.3")) },
      queue: {
        stop: () => {
          throw new Error("198.51.100.7");
        },
      },
    });
    expect(await stopAll(all, { stopDeadlineMs: 20, log })).toEqual(["ingress", "worker", "queue"]);
    expect(calls).toEqual(["-ingress", "-worker", "-queue", "-store"]);
    expect(lines).toEqual([
      { event: "part did not stop in time", fields: { stage: "ingress", deadlineMs: 20 } },
      { event: "part failed to stop", fields: { stage: "worker", code: "SINK_UNAVAILABLE" } },
      { event: "part failed to stop", fields: { stage: "queue" } },
    ]);
  });
});
