import { describe, expect, it } from "vitest";
import { growth, influxCounters, ioCounters, redisCounters } from "./server-counters.ts";

describe("redisCounters", () => {
  const info = [
    "# Stats",
    "total_connections_received:7",
    "total_commands_processed:120",
    "total_net_input_bytes:1000",
    "total_net_output_bytes:250",
    "total_net_repl_input_bytes:9",
    "",
    "# Commandstats",
    "cmdstat_evalsha:calls=30,usec=2112,usec_per_call=10.06,rejected_calls=0,failed_calls=0",
    "cmdstat_client|setinfo:calls=2,usec=1,usec_per_call=0.50,rejected_calls=0,failed_calls=0",
    "cmdstat_info:calls=5,usec=100,usec_per_call=20.00,rejected_calls=0,failed_calls=0",
    "",
  ].join("\r\n");

  it("adds up the calls of all commands, but for the question, and the bytes of both directions", () => {
    expect(redisCounters(info)).toEqual({
      redisCommands: 32,
      redisBytes: 1250,
      "redis:evalsha": 30,
      "redis:client|setinfo": 2,
    });
  });

  it("refuses an answer without what it asks for", () => {
    expect(() => redisCounters("# Stats\r\n")).toThrow("total_net_input_bytes");
  });
});

describe("influxCounters", () => {
  it("finds lines and bytes by the names of their columns", () => {
    const columns = ["authFail", "pointsWrittenOK", "req", "writeReqBytes"];
    const answer = { results: [{ series: [{ name: "httpd", columns, values: [[0, 12, 3, 4567]] }] }] };
    expect(influxCounters(answer)).toEqual({ influxLines: 12, influxBytes: 4567 });
  });

  it("refuses an answer without them", () => {
    expect(() => influxCounters({ results: [{ error: "no" }] })).toThrow("pointsWrittenOK");
  });
});

describe("ioCounters", () => {
  it("adds the calls that read to those that write", () => {
    expect(ioCounters("rchar: 323934931\nwchar: 323929600\nsyscr: 632687\nsyscw: 632675\nread_bytes: 0\n")).toEqual({
      syscalls: 1_265_362,
    });
  });
});

describe("growth", () => {
  it("is the difference of each counter, from zero for one that is new", () => {
    expect(growth({ a: 10, b: 5 }, { a: 30, b: 5, c: 4 })).toEqual({ a: 20, b: 0, c: 4 });
  });
});
