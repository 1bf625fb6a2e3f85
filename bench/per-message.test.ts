import { expect, it } from "vitest";
import { perMessage } from "./per-message.ts";

it("divides what was counted by the messages, and names kinds and commands", () => {
  const growth = {
    bytesAllocated: 40_000_000,
    "gc:Scavenge": 8,
    "gc:MarkSweepCompact": 0,
    syscalls: 1000,
    redisCommands: 300,
    "redis:evalsha": 100,
    "redis:hget": 200,
    redisBytes: 1_234_567,
    influxLines: 10_000,
    influxBytes: 900_000,
  };
  expect(perMessage({ messages: 10_000, growth })).toEqual({
    bytesAllocatedPerMessage: 4000,
    gcPer1000: { Scavenge: 0.8 },
    syscallsPerMessage: 0.1,
    redisCommandsPerMessage: 0.03,
    redisCommandsPer1000: { hget: 20, evalsha: 10 },
    redisBytesPerMessage: 123.5,
    influxLinesPerMessage: 1,
    influxBytesPerMessage: 90,
  });
});

it("has nothing to say of a system that counts nothing", () => {
  expect(perMessage({ messages: 10, growth: {} })).toBeUndefined();
});
