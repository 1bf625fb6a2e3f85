import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commandTopic, serviceFilter } from "./topics.ts";

describe("filters of a service", () => {
  it("name one purpose each", () => {
    expect(serviceFilter("processed/weather/#")).toEqual({ kind: "processed", purpose: "weather", name: undefined });
    expect(serviceFilter("processed/scene/+")).toEqual({ kind: "processed", purpose: "scene", name: undefined });
    expect(serviceFilter("processed/network/abc")).toEqual({ kind: "processed", purpose: "network", name: "abc" });
    expect(serviceFilter("privacy/erased/scene")).toEqual({ kind: "erased", purpose: "scene" });
    const shared = { kind: "processed", purpose: "scene", group: "a group" };
    expect(serviceFilter("$share/a group/processed/scene/#")).toEqual({ ...shared, name: undefined });
    expect(serviceFilter("$share/a group/processed/scene/abc")).toEqual({ ...shared, name: "abc" });
  });

  it("are refused when they reach further", () => {
    for (const filter of [
      "#",
      "processed/#",
      "processed/+/#",
      "processed/+/abc",
      "processed/analytics/#",
      "processed/marketing/#",
      "processed/weather",
      "processed/weather/a/#",
      "devices/#",
      "$SYS/#",
      "$share/x/processed/#",
      "$share/x/privacy/erased/scene",
      "$share/x/$share/y/processed/scene/#",
      "$share/x+/processed/scene/#",
      "$share//processed/scene/#",
      "$share/x/",
      "$share/x",
      "$share",
      "privacy/erased/#",
      "commands/#",
    ]) {
      expect(serviceFilter(filter), filter).toBeUndefined();
    }
  });

  it("never throw and never accept more than the contract, whatever the text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(serviceFilter(text)).toBeUndefined();
      }),
    );
  });
});

describe("a command", () => {
  it("names a pseudonym and a command", () => {
    const pseudonym = "a".repeat(22);
    expect(commandTopic(`commands/${pseudonym}/light-on`)).toEqual({ pseudonym, name: "light-on" });
    for (const topic of [
      `commands/${pseudonym}`,
      `commands/${pseudonym}/a/b`,
      "commands/short/x",
      `commands/${pseudonym}/+`,
    ]) {
      expect(commandTopic(topic), topic).toBeUndefined();
    }
  });
});

it("what is current of a purpose is one topic, shared or not, and no wildcard reaches it", () => {
  for (const text of ["processed/scene/$current", "$share/homes/processed/scene/$current"]) {
    expect(serviceFilter(text)).toEqual({ kind: "current", purpose: "scene" });
  }
  const others = [
    "processed/analytics/$current",
    "processed/+/$current",
    "processed/scene/$current/x",
    "processed/scene/$other",
  ];
  for (const text of others) expect(serviceFilter(text), text).toBeUndefined();
  expect(serviceFilter("$share/a/$share/b/processed/scene/$current")).toBeUndefined();
});
