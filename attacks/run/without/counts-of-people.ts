/** Cells are told however few are there, and what is counted is messages, to the last one: no draw decides and none is added. */
import { CrowdCounts } from "../../../src/crowds/counts.ts";
import { DayKey } from "../../../src/crowds/day-keys.ts";
import type { SubjectTag } from "../../../src/model/ids.ts";
import type { Removal } from "./removal.ts";

const DRAWN = /^(?:people|noise) of /;
const BYTES = 32;

export const countsOfPeople: Removal = {
  take: () => {
    const add = CrowdCounts.prototype.add;
    let messages = 0;
    CrowdCounts.prototype.add = function (seen) {
      messages += seen.length;
      const before = messages - seen.length;
      return add.call(
        this,
        seen.map(([, cell], index) => [String(before + index) as SubjectTag, cell] as const),
      );
    };
    const bytesFor = DayKey.prototype.bytesFor;
    DayKey.prototype.bytesFor = function (use, of) {
      // Of nothing but zeros the lowest number is drawn, and noise that takes itself away.
      return DRAWN.test(use) ? Buffer.alloc(BYTES) : bytesFor.call(this, use, of);
    };
  },
  configure: (config) => {
    const { sinks, weather } = config;
    const cellActivity = { ...sinks.cellActivity, minPeople: 1 };
    return { ...config, sinks: { ...sinks, cellActivity }, weather: { ...weather, minPeople: 1 } };
  },
};
