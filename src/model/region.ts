/** Regions are ISO 3166 countries, optionally with a subdivision: `IN`, `IN-KA`. */

/** Whether `region` is `named` or a part of it. */
export function liesIn(region: string, named: string): boolean {
  return region === named || region.startsWith(`${named}-`);
}
