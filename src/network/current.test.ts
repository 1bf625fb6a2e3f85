/** What of a record of the network is current: what was told, as far as it is still said. */
import { expect, it } from "vitest";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../model/durations.ts";
import type { Pseudonym } from "../model/ids.ts";
import type { NetworkNote } from "../model/network.ts";
import { currentNetwork } from "./current.ts";
import { limitedTo } from "./record.ts";

const EPOCH_MS = 7 * DAY_MS;
const EPOCH = 2_957 * EPOCH_MS;
const NOW = EPOCH + DAY_MS + 12 * HOUR_MS;
const moment = { now: NOW, forMs: 60 * MINUTE_MS, epochMs: EPOCH_MS };
const name = (at: number) => `name of epoch ${Math.floor(at / EPOCH_MS)}` as Pseudonym;
const value = (text: string, at = NOW - 3 * HOUR_MS) => ({ text, at, revision: 1 });
const told = (at: number, epochStart = EPOCH) => ({ model: "hub", ipPrefix: "a", epochStart, at, changedAt: 0 });
const note = (more: Partial<NetworkNote> = {}): NetworkNote => ({
  model: value("hub"),
  ipPrefix: value("a"),
  since: NOW - 3 * HOUR_MS,
  told: told(NOW - 20 * MINUTE_MS),
  ...more,
});

it("is what was told last, with the time of that step and under the name of the epoch", () => {
  const at = NOW - 20 * MINUTE_MS;
  const network = { model: "hub", ipPrefix: "a", device: "name of epoch 2957", at, current: true };
  expect(currentNetwork(note(), name, moment)).toEqual({ at, result: { network } });
});

it("is nothing that was not told yet, was told too long ago, or under a name that has ended", () => {
  for (const one of [undefined, told(NOW - 61 * MINUTE_MS), told(NOW - 20 * MINUTE_MS, EPOCH - EPOCH_MS)]) {
    expect(currentNetwork(note({ told: one }), name, moment)).toBeUndefined();
  }
});

it("is without what has changed since, is said no more, or is not covered by consent", () => {
  const other = note({ ipPrefix: value("b") });
  expect(currentNetwork(other, name, moment)?.result.network).not.toHaveProperty("ipPrefix");
  const old = note({ ipPrefix: value("a", NOW - 3 * DAY_MS) });
  expect(currentNetwork(old, name, moment)?.result.network).not.toHaveProperty("ipPrefix");
  const covered = limitedTo(note(), ["ipPrefix"]) as NetworkNote;
  expect(currentNetwork(covered, name, moment)?.result.network).not.toHaveProperty("model");
  expect(currentNetwork(note({ model: value("other"), ipPrefix: value("b") }), name, moment)).toBeUndefined();
});
