/** Weather services are told every reading of every device, at its own time, as it was sent. */
import { CrowdMedians } from "../../../src/deidentify/crowd-medians.ts";
import { CrowdTopics } from "../../../src/sinks/services/crowd-topics.ts";
import type { Removal } from "./removal.ts";

/** The shortest there ever was; a clock that is put forward goes through each of them. */
const STEP_MS = 60_000;

export const weatherCrowds: Removal = {
  take: () => {
    const times = new WeakMap<object, number>();
    CrowdMedians.prototype.of = (readings) =>
      readings.map(({ cell, status, subject, at }) => {
        times.set(status, at);
        return { cell, status, subjects: new Set([subject]) };
      });
    const announce = CrowdTopics.prototype.announce;
    CrowdTopics.prototype.announce = function (tellings) {
      const timed = tellings.map((telling) => {
        const { record } = telling;
        return { ...telling, record: { ...record, at: times.get(record.status) ?? record.at } };
      });
      return announce.call(this, timed);
    };
  },
  overrides: { steps: { weatherMs: STEP_MS } },
};
