import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { LogFields } from "../model/log.ts";
import { createLog, type LogLevel } from "./logger.ts";
import { VERSION } from "./version.ts";

function recorded(level: LogLevel = "info") {
  const lines: string[] = [];
  const log = createLog(level, { write: (line: string) => void lines.push(line) });
  return { log, lines, first: () => JSON.parse(lines[0] ?? "null") as Record<string, unknown> };
}

describe("a log line", () => {
  it.each(["dead letter count", "cellActivity", "retention", "row reading"])("names the stage %s", (stage) => {
    const { log, first } = recorded();
    log.warn("periodic task failed", { stage, code: "FAULT" });
    expect(first().stage).toBe(stage);
  });

  it("is one JSON object with the phrase and the fields it may have", () => {
    const { log, first, lines } = recorded();
    log.info("listening", { listener: "mqtt-tcp", host: "127.0.0.1", port: 1883 });
    const { time, ...rest } = first();
    expect(rest).toEqual({
      level: "info",
      name: "consentry",
      version: VERSION,
      msg: "listening",
      listener: "mqtt-tcp",
      host: "127.0.0.1",
      port: 1883,
    });
    expect(Number.isNaN(Date.parse(String(time)))).toBe(false);
    expect(lines[0]?.match(/"version"/g)).toHaveLength(1);
  });

  it.each([
    { code: "SINK_UNAVAILABLE" },
    { code: "TimeoutError" },
    { code: "ECONNREFUSED" },
    { code: "HTTP_503" },
    { reason: "no-consent" },
    { listener: "mqtt-ws" },
    { region: "IN-KA" },
    { durability: "fsync" },
    { version: "7.0.15" },
    { signal: "SIGTERM" },
    { option: "mqtt.tls.certFile" },
    { option: "deidentify.ip.v4PrefixBits" },
    { option: "dialects.0" },
    { option: "services.12.tokenFile", line: 7 },
    { status: 503, count: 12, durationMs: 42, attempt: 3 },
  ] satisfies LogFields[])("keeps %o", (fields) => {
    const { log, first } = recorded();
    log.warn("something happened", fields);
    expect(first()).toMatchObject(fields);
  });

  it("has no place for a value in the name of an option", () => {
    for (const option of ["hub-42", "mqtt.00158d0001", "8c2a9f.1", "mqtt.Anna", "12.97,77.59", "a@b.example"]) {
      const { log, first } = recorded();
      log.error("option refused", { option });
      expect(first()).not.toHaveProperty("option");
    }
  });

  it("can be told less and more while it is written", () => {
    const { log, lines } = recorded("error");
    log.info("one");
    log.useLevel("info");
    log.info("two");
    log.useLevel("silent");
    log.error("three");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(["two"]);
  });

  it("respects the level", () => {
    const { log, lines } = recorded("error");
    log.info("one");
    log.warn("two");
    log.error("three");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("three");
  });
});

describe("what cannot get into a log line, even past the types", () => {
  it.each([
    ["an unknown key", { deviceId: "hub-kitchen" }, "hub-kitchen"],
    ["an error object", { err: new Error("payload-canary") }, "payload-canary"],
    ["a nested object", { code: { inner: "nested-canary" } }, "nested-canary"],
    ["a device id with a serial", { reason: "hub-00431" }, "hub-00431"],
    ["a MAC address", { code: "AA:BB:CC:DD:EE:FF" }, "AA:BB"],
    ["an IP address", { reason: "203.0.113.7" }, "203.0.113.7"],
    ["an IP address as host of nothing", { host: "203.0.113.7" }, "203.0.113.7"],
    ["an IPv6 address", { state: "2001:db8::1" }, "2001:db8"],
    ["an e-mail address", { reason: "asha@example.in" }, "asha"],
    ["a device key", { stage: "Zk3v9QxT0bLw8sYhR2nAaA" }, "Zk3v9"],
    ["a token", { code: "dGhpcyBpcyBhIHNlY3JldA" }, "dGhpcyBp"],
    ["a coordinate as text", { version: "12.9716,77.5946" }, "9716"],
    ["a coordinate as number", { durationMs: 12.9716 }, "9716"],
    ["a long string", { code: `a${"b".repeat(64)}` }, "bbbb"],
    ["a second line", { reason: 'x\n{"msg":"forged"}' }, "forged"],
    ["text for a number", { count: "count-canary" }, "count-canary"],
    ["an infinite number", { bytes: Number.POSITIVE_INFINITY }, '"bytes"'],
    ["a replaced base field", { name: "someone", level: "fatal", msg: "forged", time: 1 }, "someone"],
  ])("%s", (_, fields, canary) => {
    const { log, lines } = recorded();
    log.info("something happened", fields as unknown as LogFields);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("something happened");
    expect(lines[0]).not.toContain(canary);
  });

  it("an event that was built from data", () => {
    const { log, lines } = recorded();
    log.info('refused {"lat":12.97}');
    log.info("login of asha@example.in failed");
    log.info("refused 203.0.113.7");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(Array(3).fill("event withheld"));
  });
});

it("no phrase of the source is one that a line withholds", () => {
  const src = new URL("../", import.meta.url);
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => /(?<!\.test)\.ts$/.test(file));
  const phrases = files.flatMap((file) => {
    const calls = readFileSync(new URL(file, src), "utf8").matchAll(/\blog\.(?:info|warn|error)\(\s*"([^"]+)"/g);
    return [...calls].map(([, phrase = ""]) => phrase);
  });
  expect(phrases.length).toBeGreaterThan(40);
  const { log, lines } = recorded();
  for (const phrase of phrases) log.warn(phrase);
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(phrases);
});

it("the version is that of the package", () => {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  expect(VERSION).toBe((JSON.parse(manifest) as { version: string }).version);
});
