/** Who yields: the oldest, and before any other one of an address that holds more than its share. */
import type { Socket } from "node:net";
import { expect, it } from "vitest";
import { Doorstep } from "./doorstep.ts";

const from = (remoteAddress: string) => ({ remoteAddress }) as Socket;

it("the oldest yields, each once, and none that has logged in", () => {
  const doorstep = new Doorstep();
  const [first, second, third] = [from("10.0.0.1"), from("10.0.0.2"), from("10.0.0.3")];
  for (const socket of [first, second, third]) doorstep.add(socket);
  doorstep.remove(second);
  expect(doorstep.giveWay("10.0.0.9")).toBe(first);
  expect(doorstep.giveWay("10.0.0.9")).toBe(third);
  expect(doorstep.giveWay("10.0.0.9")).toBeUndefined();
});

it("an address that holds more than its share makes room for itself, and for no one else before", () => {
  const doorstep = new Doorstep();
  const device = from("192.0.2.7");
  doorstep.add(device);
  const many = Array.from({ length: 50 }, () => from("::ffff:10.0.0.1"));
  for (const socket of many) doorstep.add(socket);
  for (const socket of many) {
    expect(doorstep.giveWay("10.0.0.1")).toBe(socket);
    doorstep.add(from("10.0.0.1"));
  }
  expect(doorstep.giveWay("198.51.100.1")).toBe(device);
});
