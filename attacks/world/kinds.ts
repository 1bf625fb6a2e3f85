/**
 * What stands in a simulated home. Models are those of real devices, so that the gateway's own tables make families of
 * them; a kind reports at an interval of its own and, where it follows people, when something happens.
 */

/** What happens in a home; the habits of its people say when. */
export const MOMENTS = ["wake", "leave", "return", "sleep"] as const;
export type Moment = (typeof MOMENTS)[number];

export interface Kind {
  readonly name: string;
  readonly models: readonly string[];
  readonly weight: number;
  /** Measures the air outside. */
  readonly outdoor?: true;
  /** Longest and shortest interval between two reports, hours; each device has one of its own. */
  readonly everyHours: readonly [number, number];
  /** When it also reports, and how often around each of these moments. */
  readonly at: Partial<Readonly<Record<Moment, number>>>;
}

export const KINDS: readonly Kind[] = [
  { name: "thermostat", models: ["TH-310", "SHTRV-01"], weight: 9, everyHours: [2, 6], at: { wake: 1, sleep: 1 } },
  { name: "climate-sensor", models: ["SHHT-1"], weight: 10, everyHours: [2, 6], at: {} },
  {
    name: "weather-station",
    models: ["Fineoffset-WH65B", "Ecowitt-WS90", "Acurite-Tower"],
    weight: 14,
    outdoor: true,
    everyHours: [1, 3],
    at: {},
  },
  { name: "plug", models: ["SHPLG-S"], weight: 10, everyHours: [3, 8], at: { wake: 1, return: 1 } },
  { name: "meter", models: ["SHEM-3"], weight: 7, everyHours: [1, 4], at: {} },
  {
    name: "bulb",
    models: ["BL-900", "SHBLB-1"],
    weight: 14,
    everyHours: [8, 12],
    at: { wake: 2, return: 1, sleep: 1 },
  },
  { name: "lock", models: ["LK-500"], weight: 8, everyHours: [8, 12], at: { leave: 2, return: 2 } },
  { name: "door-sensor", models: ["SHDW-2"], weight: 8, everyHours: [8, 12], at: { leave: 2, return: 2 } },
  { name: "motion-sensor", models: ["SHMOS-01"], weight: 8, everyHours: [8, 12], at: { wake: 2, return: 2, sleep: 1 } },
  { name: "button", models: ["SHBTN-2"], weight: 5, everyHours: [10, 12], at: { wake: 1, sleep: 1 } },
  { name: "hub", models: ["HB-200", "HB-210"], weight: 7, everyHours: [4, 8], at: {} },
];
