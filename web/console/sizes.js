// @ts-check
/** How many people an area has, by class: as a dot on the map, and in words for who does not see it. */
import { counted, list } from "../shared/format.js";

/** From so many people on, the largest first. The radius is in degrees of the map. */
const SIZES = [
  { from: 1_000, radius: 3.8, words: "a thousand people or more" },
  { from: 100, radius: 2.8, words: "a hundred or more" },
  { from: 10, radius: 2, words: "ten or more" },
  { from: 0, radius: 1.2, words: "fewer than ten, or no count lately" },
];

export const SIZES_SAID =
  "The larger the dot, the more people: from ten, a hundred and a thousand on. Counts have noise, so that none tells of one person.";

/** @param {number | null} people */
export function sizeOf(people) {
  const size = SIZES.find(({ from }) => (people ?? 0) >= from);
  if (size === undefined) throw new Error("no number of people");
  return size;
}

/** @param {number | null} people In tens. */
export function peopleIn(people) {
  return people === null ? "fewer than ten, or no count lately" : `about ${new Intl.NumberFormat("en").format(people)}`;
}

/** @param {readonly { readonly people: number | null }[]} cells */
export function said(cells) {
  if (cells.length === 0) return "No area is active: in none of them were enough people lately.";
  const parts = SIZES.flatMap((size) => {
    const count = cells.filter(({ people }) => sizeOf(people) === size).length;
    return count === 0 ? [] : [`${new Intl.NumberFormat("en").format(count)} with ${size.words}`];
  });
  return `${counted(cells.length, "active area")} on the map of the world: ${list(parts)}.`;
}
