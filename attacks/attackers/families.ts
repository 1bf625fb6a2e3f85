/** A13: homes that are the only ones with their set of families, which a name of the home for scenes would tell. */

import type { Attack } from "./attack.ts";
import { grouped } from "./attack.ts";

export const homesByFamilies: Attack = {
  name: "A13",
  what: "homes over epochs by their set of families",
  goal: "none",
  run(view) {
    const homes = [...grouped(view.devices, ({ home }) => home).values()];
    const setOf = (home: (typeof homes)[number]) =>
      home
        .map(({ kind }) => kind)
        .sort()
        .join(" ");
    const sets = grouped(homes, setOf);
    const hits = homes.filter((home) => sets.get(setOf(home))?.length === 1).length;
    return { hits, trials: homes.length, control: 1 / Math.max(1, homes.length) };
  },
};
