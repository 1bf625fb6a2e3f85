import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { GatewayError } from "../model/errors.ts";
import { Writable } from "./writable.ts";

const refused = (code: string) => Object.assign(new Error(`${code} no`), { name: "ReplyError" });
const fault = new GatewayError("NOT_WRITABLE", "OOM");

let answer: Error | undefined;
let probes: number;
let wroteAt: number;
let told: string[];
let writable: Writable;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  answer = undefined;
  probes = 0;
  wroteAt = Number.NEGATIVE_INFINITY;
  told = [];
  const note = (_event: string, fields?: { reason?: string }) => void told.push(fields?.reason ?? "well");
  writable = new Writable(1_000, {
    producer: {
      probe: async () => {
        probes += 1;
        if (answer !== undefined) throw answer;
      },
      get lastWriteAt() {
        return wroteAt;
      },
    },
    log: { info: note, warn: note, error: note },
  });
});
afterEach(() => {
  writable.stop();
  vi.useRealTimers();
});

it("does not start on a Redis that rejects writes", async () => {
  answer = refused("READONLY");
  await expect(writable.start()).rejects.toThrow("NOT_WRITABLE: READONLY");
});

it("detects it without a message, logs each cause once, and the end", async () => {
  await writable.start();
  answer = refused("OOM");
  await vi.advanceTimersByTimeAsync(3_000);
  answer = refused("READONLY");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(writable.refusal).toBe("READONLY");
  answer = undefined;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(writable.refusal).toBeUndefined();
  expect(told).toEqual(["OOM", "READONLY", "well"]);
});

it("needs no probe while batches are written", async () => {
  await writable.start();
  for (let turn = 0; turn < 5; turn += 1) {
    wroteAt = performance.now() + 500;
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(probes).toBe(1);
});

it("ignores a lost connection, and keeps the earlier finding", async () => {
  await writable.start();
  answer = new Error("Connection is closed.");
  await vi.advanceTimersByTimeAsync(2_000);
  expect(writable.refusal).toBeUndefined();
  answer = refused("OOM");
  await vi.advanceTimersByTimeAsync(1_000);
  answer = new Error("Connection is closed.");
  await vi.advanceTimersByTimeAsync(2_000);
  expect(writable.refusal).toBe("OOM");
});

it("keeps refused callers waiting until Redis accepts writes again, or their time is up", async () => {
  await writable.start();
  answer = refused("OOM");
  const patient = writable.again(fault, new AbortController().signal);
  const late = new AbortController();
  const hurried = writable.again(fault, late.signal);
  await vi.advanceTimersByTimeAsync(2_000);
  late.abort();
  expect(await hurried).toBe(false);
  answer = undefined;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await patient).toBe(true);
});

it("ignores other faults", async () => {
  await writable.start();
  expect(await writable.again(new GatewayError("NOT_DURABLE"), new AbortController().signal)).toBe(false);
  expect(probes).toBe(1);
});
