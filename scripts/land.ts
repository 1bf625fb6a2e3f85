/**
 * `npm run land`: writes `web/shared/land.json`, the outline of the land of the world as the pages draw it, of
 * Natural Earth. Coasts alone, no borders: nothing is said about whose land it is.
 *
 * Points that change the picture least are left out (topojson-simplify), the rest are rounded and packed: for each ring how
 * many points, then the difference of each to the one before, longitude and latitude, as zigzag LEB128 in Base64.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGES = ["world-atlas@2.0.2", "topojson-client@3.1.0", "topojson-simplify@3.0.3"];
const FILE = fileURLToPath(new URL("../web/shared/land.json", import.meta.url));
const ABOUT = {
  about: "Outline of the land. Made by `npm run land`.",
  source: `Natural Earth 1:50m (https://www.naturalearthdata.com), by the npm package ${PACKAGES[0]}`,
  licence: "public domain",
};
/** Degrees. */
const STEP = 0.05;
/** Square degrees: of a triangle that is left out, and of an island. */
const LEAST_TRIANGLE = 0.01;
const LEAST_ISLAND = 0.04;

type Ring = readonly (readonly [lon: number, lat: number])[];

interface Topology {
  readonly objects: { readonly land: unknown };
}

interface Feature {
  readonly geometry: { readonly type: string; readonly coordinates: unknown };
}

function rings(): Ring[] {
  const dir = mkdtempSync(join(tmpdir(), "consentry-land-"));
  try {
    const args = ["install", "--prefix", dir, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", ...PACKAGES];
    execFileSync("npm", args, { stdio: ["ignore", "ignore", "inherit"] });
    const from = createRequire(join(dir, "package.json"));
    const { presimplify, simplify, filter, filterWeight } = from("topojson-simplify");
    const simple = simplify(presimplify(from("world-atlas/land-50m.json")), LEAST_TRIANGLE);
    const kept = filter(simple, filterWeight(simple, LEAST_ISLAND)) as Topology;
    const land = from("topojson-client").feature(kept, kept.objects.land) as Feature & {
      features?: readonly Feature[];
    };
    return (land.features ?? [land]).flatMap(({ geometry: { type, coordinates } }) =>
      type === "Polygon" ? (coordinates as Ring[]) : (coordinates as Ring[][]).flat(),
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/**
 * A ring that crosses 180° goes on beyond it instead of jumping back; one around a pole is led along it to its begin. A caller that draws
 * it draws it again a turn further east and west.
 */
function unturned(ring: Ring): Ring {
  const points: [number, number][] = [];
  let turn = 0;
  for (const [lon, lat] of ring) {
    const before = points.at(-1)?.[0];
    if (before !== undefined) turn += 360 * Math.round((before - lon - turn) / 360);
    points.push([lon + turn, lat]);
  }
  // Most of it lies where maps have it.
  const away = 360 * Math.round(points.reduce((sum, [lon]) => sum + lon, 0) / points.length / 360);
  for (const point of points) point[0] -= away;
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || Math.abs(last[0] - first[0]) < 180) return points;
  const pole = Math.sign(first[1]) * 90;
  return [...points, [last[0], pole], [first[0], pole], first];
}

function packed(all: readonly Ring[]): string {
  const bytes: number[] = [];
  const put = (value: number): void => {
    let rest = value < 0 ? -2 * value - 1 : 2 * value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
    bytes.push(rest);
  };
  for (const ring of all) {
    const points: [number, number][] = [];
    for (const [lon, lat] of unturned(ring)) {
      const point: [number, number] = [Math.round(lon / STEP), Math.round(lat / STEP)];
      const before = points.at(-1);
      if (before?.[0] !== point[0] || before[1] !== point[1]) points.push(point);
    }
    // What is left of an island is a line.
    if (points.length < 4) continue;
    put(points.length);
    let at: readonly [number, number] = [0, 0];
    for (const point of points) {
      put(point[0] - at[0]);
      put(point[1] - at[1]);
      at = point;
    }
  }
  return Buffer.from(bytes).toString("base64");
}

const content = `${JSON.stringify({ ...ABOUT, step: STEP, rings: packed(rings()) }, null, 2)}\n`;
writeFileSync(FILE, content);
process.stdout.write(`${FILE}: ${content.length} bytes\n`);
