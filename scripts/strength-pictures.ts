/** The pictures of docs/privacy/strength.md, as SVG with a text of their own; light on any ground. */
import { readFileSync } from "node:fs";
import { cellToLatLng } from "h3-js";
import type { AttackResult, AttacksResult } from "../attacks/result.ts";
import { parseDensityTable } from "../src/deidentify/density-table.ts";

interface PackedLand {
  readonly step: number;
  readonly rings: string;
}

/** The page of the privacy centre is plain JavaScript, with types of its own. */
const { unpackLand } = (await import(new URL("../web/shared/land.js", import.meta.url).href)) as {
  unpackLand(packed: PackedLand): (readonly [lon: number, lat: number])[][];
};

const INK = "#1b2927";
const MUTED = "#53605d";
const WITHOUT = "#b9a27a";
const WITH = "#0c7060";
const FONT = 'font-family="sans-serif" font-size="13"';

const BAR = { left: 60, width: 520, height: 12, gap: 3, row: 38, top: 46 };

/** What an attacker gets right, with the mechanisms and without, beside what is allowed. */
export function linkagePicture({ attacks }: AttacksResult): string {
  const rows = Object.entries(attacks);
  const height = BAR.top + rows.length * BAR.row + 30;
  const across = (share: number) => BAR.left + share * BAR.width;
  const body = rows.flatMap(([name, found], index) => bars(name, found, BAR.top + index * BAR.row));
  const scale = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<path d="M${across(share)} ${BAR.top - 6}V${height - 26}" stroke="#dddbd2"/>`,
    `<text x="${across(share)}" y="${height - 8}" text-anchor="middle" fill="${MUTED}">${share * 100} %</text>`,
  ]);
  const key = [
    `<rect x="${BAR.left}" y="14" width="14" height="${BAR.height}" fill="${WITHOUT}"/><text x="${BAR.left + 20}" y="25" fill="${INK}">without the mechanisms</text>`,
    `<rect x="250" y="14" width="14" height="${BAR.height}" fill="${WITH}"/><text x="270" y="25" fill="${INK}">as it is</text>`,
    `<path d="M370 12v16" stroke="${INK}" stroke-width="2"/><text x="378" y="25" fill="${INK}">allowed</text>`,
  ];
  return picture(620, height, "What each attack gets right, with the mechanisms and without", [
    ...scale,
    ...key,
    ...body,
  ]);
}

function bars(name: string, { rate, negativeControl, goal, trials }: AttackResult, y: number): string[] {
  const bar = (share: number, at: number, fill: string) =>
    `<rect x="${BAR.left}" y="${at}" width="${(share * BAR.width).toFixed(1)}" height="${BAR.height}" fill="${fill}"/>`;
  const below = y + BAR.height + BAR.gap;
  const x = (BAR.left + (goal ?? 0) * BAR.width).toFixed(1);
  return [
    `<text x="${BAR.left - 10}" y="${y + 18}" text-anchor="end" fill="${INK}">${name}</text>`,
    ...(negativeControl === undefined ? [] : [bar(negativeControl, y, WITHOUT)]),
    ...(trials === 0 ? [] : [bar(rate, below, WITH)]),
    ...(goal === null ? [] : [`<path d="M${x} ${y - 2}V${below + BAR.height + 2}" stroke="${INK}" stroke-width="2"/>`]),
  ];
}

const MAP = { width: 1080, height: 450, north: 75, degrees: 3 };
/** Degrees; a square has the colour of the finest cell in it. */
const SQUARE = 0.75;
/** Parts of a pixel to which a coast is drawn. */
const FINE = 2;
const COLOURS: Readonly<Record<number, string>> = { 4: "#a9cfc3", 5: "#3f9c88", 6: "#07473d" };

/** Where places may be told how finely, by `config/densities.json`. */
export function densityPicture(root: URL): string {
  const packed = JSON.parse(readFileSync(new URL("web/shared/land.json", root), "utf8")) as PackedLand;
  const land = unpackLand(packed)
    .flatMap((ring) => [-360, 0, 360].map((turn) => ring.map(([lon, lat]): [number, number] => [lon + turn, lat])))
    .filter((ring) => ring.some(([lon]) => lon > -180 && lon < 180))
    .map((ring) => outline(ring.map(([lon, lat]) => [(lon + 180) * MAP.degrees, (MAP.north - lat) * MAP.degrees])))
    .join("");
  const finest = new Map<number, Map<number, number>>();
  for (const { cell, resolution } of parseDensityTable(readFileSync(new URL("config/densities.json", root), "utf8"))) {
    const [lat, lon] = cellToLatLng(cell);
    const [column, line] = [Math.floor((lon + 180) / SQUARE), Math.floor((MAP.north - lat) / SQUARE)];
    const row = finest.get(line) ?? new Map<number, number>();
    finest.set(line, row.set(column, Math.max(resolution, row.get(column) ?? 0)));
  }
  const squares = Object.entries(COLOURS).map(([resolution, colour]) => {
    const path = [...finest].flatMap(([line, row]) =>
      runs(row, Number(resolution)).map(([at, length]) => `M${at} ${line}h${length}v1h-${length}z`),
    );
    return `<path d="${path.join("")}" fill="${colour}" transform="scale(${SQUARE * MAP.degrees})"/>`;
  });
  const key = Object.entries(COLOURS).map(
    ([resolution, colour], index) =>
      `<rect x="16" y="${330 + index * 24}" width="14" height="14" fill="${colour}"/><text x="38" y="${342 + index * 24}" fill="${INK}">resolution ${resolution}</text>`,
  );
  const title = "Where places may be told at which resolution; everywhere else at 3";
  return picture(MAP.width, MAP.height, title, [
    `<path d="${land}" fill="#f1f0ea" stroke="#c9c6ba" transform="scale(${1 / FINE})"/>`,
    ...squares,
    ...key,
  ]);
}

/** In whole halves of a pixel, each point as a step from the one before. */
function outline(points: readonly (readonly number[])[]): string {
  const steps: string[] = [];
  let [x, y] = [0, 0];
  for (const [toX = 0, toY = 0] of points) {
    const [nextX, nextY] = [Math.round(toX * FINE), Math.round(toY * FINE)];
    if (steps.length > 0 && nextX === x && nextY === y) continue;
    steps.push(`${steps.length === 0 ? "M" : "l"}${nextX - x} ${nextY - y}`);
    [x, y] = [nextX, nextY];
  }
  return steps.length < 3 ? "" : `${steps.join("")}z`;
}

/** Columns of one row that have this resolution, those beside each other together. */
function runs(row: ReadonlyMap<number, number>, resolution: number): [at: number, length: number][] {
  const found: [number, number][] = [];
  const columns = [...row].filter(([, one]) => one === resolution).map(([column]) => column);
  for (const column of columns.toSorted((left, right) => left - right)) {
    const last = found.at(-1);
    if (last !== undefined && last[0] + last[1] === column) last[1] += 1;
    else found.push([column, 1]);
  }
  return found;
}

function picture(width: number, height: number, title: string, body: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}" ${FONT}>`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...body,
    "</svg>",
    "",
  ].join("\n");
}
