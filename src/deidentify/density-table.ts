/**
 * Where many people live: inside these large cells (H3 resolution 3, about 12,000 km² each) a finer
 * cell still hides a person among thousands. Everywhere else the configured default applies, so a
 * place missing here is told more coarsely, never more finely.
 */
import { GatewayError } from "../model/errors.ts";
import { checkDensities, type DensityRow } from "./location.ts";

/** Used unless the operator brings a table. Resolution 6 is 36 km², resolution 5 is 253 km². */
export const DENSITY_TABLE: readonly DensityRow[] = [
  { cell: "833da1fffffffff", resolution: 6 }, // Delhi
  { cell: "83608bfffffffff", resolution: 6 }, // Mumbai
  { cell: "833cf2fffffffff", resolution: 6 }, // Kolkata
  { cell: "836014fffffffff", resolution: 6 }, // Bengaluru
  { cell: "83618cfffffffff", resolution: 6 }, // Chennai
  { cell: "8360a2fffffffff", resolution: 6 }, // Hyderabad
  { cell: "8342cefffffffff", resolution: 6 }, // Ahmedabad
  { cell: "836088fffffffff", resolution: 6 }, // Pune
  { cell: "8342d9fffffffff", resolution: 6 }, // Surat
  { cell: "833da2fffffffff", resolution: 5 }, // Jaipur
  { cell: "833d8dfffffffff", resolution: 6 }, // Lucknow
  { cell: "833d8cfffffffff", resolution: 6 }, // Kanpur
  { cell: "833c13fffffffff", resolution: 6 }, // Patna
  { cell: "833c16fffffffff", resolution: 6 }, // Varanasi
  { cell: "836096fffffffff", resolution: 5 }, // Nagpur
  { cell: "833d96fffffffff", resolution: 5 }, // Indore
  { cell: "836004fffffffff", resolution: 6 }, // Kochi
  { cell: "836026fffffffff", resolution: 6 }, // Thiruvananthapuram
  { cell: "836033fffffffff", resolution: 6 }, // Coimbatore
  { cell: "833c93fffffffff", resolution: 5 }, // Visakhapatnam
  { cell: "833c8efffffffff", resolution: 5 }, // Bhubaneswar
  { cell: "834249fffffffff", resolution: 6 }, // Ludhiana
  { cell: "833d14fffffffff", resolution: 5 }, // Chandigarh
  { cell: "833cf1fffffffff", resolution: 6 }, // Dhaka
  { cell: "8342e4fffffffff", resolution: 5 }, // Karachi
  { cell: "83424dfffffffff", resolution: 6 }, // Lahore
  { cell: "83611cfffffffff", resolution: 6 }, // Colombo
  { cell: "833c02fffffffff", resolution: 5 }, // Kathmandu
  { cell: "833099fffffffff", resolution: 6 }, // Shanghai
  { cell: "8331aafffffffff", resolution: 5 }, // Beijing
  { cell: "834118fffffffff", resolution: 6 }, // Guangzhou
  { cell: "83411cfffffffff", resolution: 6 }, // Shenzhen
  { cell: "8340e3fffffffff", resolution: 6 }, // Chengdu
  { cell: "8340a6fffffffff", resolution: 5 }, // Wuhan
  { cell: "832f5afffffffff", resolution: 6 }, // Tokyo
  { cell: "832e61fffffffff", resolution: 5 }, // Osaka
  { cell: "8330e1fffffffff", resolution: 5 }, // Seoul
  { cell: "83694efffffffff", resolution: 6 }, // Manila
  { cell: "838c10fffffffff", resolution: 6 }, // Jakarta
  { cell: "838c14fffffffff", resolution: 6 }, // Bandung
  { cell: "838d80fffffffff", resolution: 6 }, // Surabaya
  { cell: "8364a4fffffffff", resolution: 5 }, // Bangkok
  { cell: "8365b5fffffffff", resolution: 6 }, // Ho Chi Minh City
  { cell: "83415cfffffffff", resolution: 6 }, // Hanoi
  { cell: "836526fffffffff", resolution: 5 }, // Singapore
  { cell: "836505fffffffff", resolution: 5 }, // Kuala Lumpur
  { cell: "833e62fffffffff", resolution: 5 }, // Cairo
  { cell: "83589cfffffffff", resolution: 5 }, // Lagos
  { cell: "837a6efffffffff", resolution: 5 }, // Nairobi
  { cell: "831ec9fffffffff", resolution: 5 }, // Istanbul
  { cell: "832cf3fffffffff", resolution: 5 }, // Tehran
  { cell: "832ca2fffffffff", resolution: 5 }, // Baghdad
  { cell: "83194afffffffff", resolution: 5 }, // London
  { cell: "831fb4fffffffff", resolution: 5 }, // Paris
  { cell: "831fa5fffffffff", resolution: 5 }, // Essen
  { cell: "831f99fffffffff", resolution: 5 }, // Milan
  { cell: "831e83fffffffff", resolution: 5 }, // Naples
  { cell: "831969fffffffff", resolution: 5 }, // Amsterdam
  { cell: "831fa4fffffffff", resolution: 5 }, // Brussels
  { cell: "831942fffffffff", resolution: 5 }, // Manchester
  { cell: "831f1dfffffffff", resolution: 5 }, // Berlin
  { cell: "83390cfffffffff", resolution: 5 }, // Madrid
  { cell: "832a10fffffffff", resolution: 5 }, // New York
  { cell: "8329a1fffffffff", resolution: 5 }, // Los Angeles
  { cell: "832664fffffffff", resolution: 5 }, // Chicago
  { cell: "834995fffffffff", resolution: 5 }, // Mexico City
  { cell: "83a810fffffffff", resolution: 5 }, // São Paulo
  { cell: "83a8a0fffffffff", resolution: 5 }, // Rio de Janeiro
  { cell: "83c2e3fffffffff", resolution: 5 }, // Buenos Aires
  { cell: "8366e4fffffffff", resolution: 5 }, // Bogotá
  { cell: "838e62fffffffff", resolution: 5 }, // Lima
];

const OPTION = "deidentify.location.densityFile";

/**
 * Reads a table: a JSON list of `{ "cell": <H3 index of resolution 2 or 3>, "resolution": 0–6 }`.
 * Throws CONFIG_INVALID naming the first bad row.
 */
export function parseDensityTable(json: string): DensityRow[] {
  let rows: unknown;
  try {
    rows = JSON.parse(json);
  } catch {
    throw new GatewayError("CONFIG_INVALID", `${OPTION}: not-json`);
  }
  if (!Array.isArray(rows)) throw new GatewayError("CONFIG_INVALID", `${OPTION}: not-a-list`);
  const table = rows.map(toRow);
  const [problem] = checkDensities(table);
  if (problem !== undefined) throw new GatewayError("CONFIG_INVALID", `${OPTION}: row ${problem}`);
  return table;
}

function toRow(row: unknown, index: number): DensityRow {
  if (typeof row === "object" && row !== null && "cell" in row && "resolution" in row) {
    const { cell, resolution } = row;
    if (typeof cell === "string" && typeof resolution === "number") return { cell, resolution };
  }
  throw new GatewayError("CONFIG_INVALID", `${OPTION}: row ${index}: needs cell and resolution`);
}
