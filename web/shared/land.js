// @ts-check
/** The outline of the land of the world, as `scripts/land.ts` packs it. Nothing is asked of any other host for it. */

/** @typedef {readonly [lon: number, lat: number][]} Ring */
/** @typedef {{ readonly step: number, readonly rings: string }} PackedLand */

/** Rings of points, degrees. @param {PackedLand} packed @returns {Ring[]} */
export function unpackLand({ step, rings }) {
  const bytes = Uint8Array.from(atob(rings), (letter) => letter.charCodeAt(0));
  let at = 0;
  const next = () => {
    let value = 0;
    for (let worth = 1; ; worth *= 0x80) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * worth;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
  };
  /** @type {Ring[]} */
  const land = [];
  while (at < bytes.length) {
    let [lon, lat] = [0, 0];
    land.push(
      Array.from({ length: next() }, () => {
        lon += next();
        lat += next();
        return [lon * step, lat * step];
      }),
    );
  }
  return land;
}
