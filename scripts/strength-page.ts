/** docs/privacy/strength.md: how strong what leaves the gateway is against attacks, of the figures of a full run. */
import type { ATTACKS } from "../attacks/attackers/all.ts";
import type { Utility } from "../attacks/measure/utility.ts";
import type { AttackResult, AttacksResult } from "../attacks/result.ts";

type Whats = readonly Pick<(typeof ATTACKS)[number], "name" | "what">[];

/** What an attacker is left with, however the figures turn out. */
const REMAINS: Readonly<Record<string, string>> = {
  A1: "A row time tells the second of a message, and the minute of flags and words.",
  A2: "The same.",
  A3: "A name lasts an epoch; within it everything under it belongs together, and what devices say of themselves can be like what they said before.",
  A4: "Services that lay together what each of them gets see what happens at the same moment.",
  A5: "Only a message that names its model is known to come from the open; what is measured in a room follows the weather a little, and was not attacked.",
  A6: "Names that are forgotten at the same time may belong together; who is erased alone is alone.",
  A7: "A cell is counted by people who take part, not by who lives there. A home that is the only one known to live in a cell is told with others that are not known.",
  A8: "A habit that repeats itself for months adds up over the rows of a cell.",
  A9: "Households that act together, each under people of its own, are people.",
  A10: "A value of the vocabulary can be rare: a fault code, a number at the end of its range.",
  A11: "Who knows the way on which someone walks knows a cell by it, and learns when it is told.",
  A12: "Over a network much is lost in its noise; on the same machine it is not.",
  A13: "A service that names a home by its kinds of devices finds some homes again: the consent to scenes says so.",
  A14: "A lock that turns at a known second is known to who stands before it.",
};

export function strengthPage(result: AttacksResult, whats: Whats): { introduction: string[]; body: string[] } {
  const { attacks, utility, seed, homes, devices, days, messages } = result;
  const rows = whats.flatMap(({ name, what }) => {
    const found = attacks[name];
    return found === undefined ? [] : [[name, what, ...cells(found)]];
  });
  const missed = whats.filter(({ name }) => {
    const found = attacks[name];
    return found !== undefined && found.goal !== null && !found.holds && found.tooFewTrials !== true;
  });
  const untried = whats.filter(({ name }) => attacks[name]?.tooFewTrials === true);
  const blind = whats.filter(({ name }) => attacks[name]?.negativeControlSucceeds === false);
  return {
    introduction: [
      "A pseudonym is worth what the data beside it leave of it. This page says what attackers got right who had everything that",
      "leaves the gateway and no key, on one full run, and what a fleet of some size gets in return.",
      "[Attacks on what leaves the gateway](attacks.md) says how each of them works, and how to run them.",
    ],
    body: [
      `Measured with seed ${seed}: ${number(homes)} homes, ${number(devices)} devices, ${number(days)} days of each of two epochs, ${number(messages)} rows of status. The`,
      "figures are in [strength.json](strength.json); `npm run strength` makes them, and this page, of the recordings that",
      "`npm run attacks` left.",
      "",
      ...loops(utility),
      "The status is stored as an operator can ask for it: names of six hours, classes and times of six hours",
      "([decision 050](../decisions/050-a-stored-name-lasts-six-hours.md)). **As shipped it is not**: then A3 follows 91 % of stored names from one week to",
      "the next, and A14 finds 100 % of them among those of scenes. The other attacks do not depend on it.",
      "",
      "## What attackers got right",
      "",
      "![What each attack gets right, with the mechanisms and without](strength-attacks.svg)",
      "",
      ...table(
        [
          "",
          "the attacker wants",
          "got right",
          "a guess",
          "without the mechanisms",
          "it must then be",
          "allowed",
          "held",
        ],
        rows,
      ),
      "The interval is Wilson's, 95 %. *Without the mechanisms* the same attack is tried on the same world and a gateway from which they are",
      "taken: it must come to three times what is allowed, or else it has not shown that it would notice.",
      "",
      ...(missed.length === 0
        ? ["Every goal that was tried often enough is held."]
        : [`**Not held:** ${missed.map(({ name, what }) => `${name} (${what})`).join("; ")}.`]),
      ...(untried.length === 0
        ? []
        : ["", `**Too little to try in this run, so nothing shown:** ${untried.map(({ name }) => name).join(", ")}.`]),
      ...(blind.length === 0
        ? []
        : ["", `**Would not be noticed, so that holding says little:** ${blind.map(({ name }) => name).join(", ")}.`]),
      "",
      "## What remains",
      "",
      ...whats.flatMap(({ name }) => {
        const remains = REMAINS[name];
        return remains === undefined ? [] : [`- **${name}** ${remains}`];
      }),
      "",
      "These are figures of one simulated world and of these attackers. A better attacker, or people who are less alike than simulated",
      "ones, can do more; no figure here is a bound.",
      "",
      ...fleet(result),
      "## Good for those who use the data",
      "",
      ...table(
        ["", "goal", "found", "held"],
        Object.values(utility.gates).map(({ what, goal, found, holds }) => [
          what,
          number(goal),
          Object.entries(found)
            .map(([where, figure]) => `${where}: ${number(figure)}`)
            .join("; "),
          holds ? "yes" : "**no**",
        ]),
      ),
      "## How finely places may be told",
      "",
      "![Where places may be told at which resolution](strength-densities.svg)",
      "",
      "A square has the colour of the finest cell of `config/densities.json` in it; anywhere else the finest resolution is 3. The table says",
      "how fine a place may be, and the crowd whether it is told at all. Outline: Natural Earth, public domain; places: GeoNames, CC BY 4.0.",
    ],
  };
}

/** Of a run in which they did. */
function loops({ commandsDelivered = 0, forecastsDelivered = 0 }: Partial<Utility>): string[] {
  if (commandsDelivered === 0 || forecastsDelivered === 0) return [];
  return [
    `Both loops ran meanwhile: lamps got ${number(commandsDelivered)} commands of the scene service and said what they did, devices got ${number(forecastsDelivered)} forecasts, and`,
    "the scene service was told which devices are of one home.",
    "",
  ];
}

function heldWord({ goal, holds, trials, tooFewTrials }: AttackResult): string {
  if (goal === null) return "told";
  if (trials === 0) return "nothing to try";
  return holds ? "yes" : tooFewTrials === true ? "too few tries" : "**no**";
}

function cells(found: AttackResult): string[] {
  const { rate, low, high, control, negativeControl, negativeControlNeeds, goal, trials } = found;
  return [
    `${percent(rate)} (${percent(low)}–${percent(high)}) of ${number(trials)}`,
    percent(control),
    negativeControl === undefined ? "not played" : percent(negativeControl),
    negativeControlNeeds === undefined ? "–" : `${percent(negativeControlNeeds)}`,
    goal === null ? "–" : percent(goal),
    heldWord(found),
  ];
}

/** What a fleet gets, by its size. */
function fleet({ utility: { fleets, energyTold, weatherLateMs } }: AttacksResult): string[] {
  const columns = (figure: (fleet: (typeof fleets)[number]) => string) => fleets.map(figure);
  const stored = (resolution: string) => columns(({ storedAt }) => percent(storedAt[resolution] ?? 0));
  const forecastOf = (...resolutions: string[]) =>
    columns(({ forecastAt }) => percent(resolutions.reduce((sum, one) => sum + (forecastAt[one] ?? 0), 0)));
  return [
    "## What your fleet gets",
    "",
    ...table(
      ["", ...fleets.map(({ homes }) => `${number(homes)} homes`)],
      [
        ["homes that agreed to weather and get a forecast", ...columns((one) => percent(one.homesWithForecast))],
        ["of these with one for a cell of resolution 4 to 6", ...forecastOf("4", "5", "6")],
        ["for one of resolution 3 (12,400 km²)", ...forecastOf("3")],
        ["for one of resolution 2 (86,800 km²)", ...forecastOf("2")],
        ["homes below a cell whose weather is told within a day", ...columns((one) => percent(one.homesInToldWeather))],
        [
          "the same, did stations report in every step",
          ...columns((one) => percent(one.whenHeardEachStep.homesInToldWeather)),
        ],
        [
          "time between two tellings of the weather of a home",
          ...columns((one) => `${number(one.weatherEveryMinutes)} min`),
        ],
        ["error of the temperature, at the stations of the cell", ...columns((one) => degrees(one.temperatureError))],
        [
          "the same, did stations report in every step",
          ...columns((one) => degrees(one.whenHeardEachStep.temperatureError)),
        ],
        ["error of the temperature, at a home", ...columns((one) => degrees(one.temperatureErrorAtHome))],
        ["homes with a stored place", ...columns((one) => percent(one.stored))],
        ["homes stored at resolution 4 or finer", ...columns((one) => percent(one.storedAtFourOrFiner))],
        ["stored at resolution 6 (36 km²)", ...stored("6")],
        ["at 5 (253 km²)", ...stored("5")],
        ["at 4 (1,770 km²)", ...stored("4")],
        ["at 3 (12,400 km²)", ...stored("3")],
        [
          "wider",
          ...columns(({ storedAt }) => percent(["0", "1", "2"].reduce((sum, one) => sum + (storedAt[one] ?? 0), 0))),
        ],
        ["not stored", ...columns(({ storedAt }) => percent(storedAt.none ?? 0))],
        ["homes in a cell of which it is told how busy it is", ...columns((one) => percent(one.homesInToldActivity))],
        [
          "homes alone in a stored cell; of fewer than five",
          ...columns((one) => `${percent(one.alone)}; ${percent(one.fewerThanFive)}`),
        ],
        ["sums of energy", ...columns(() => percent(energyTold))],
        ["until a place is stored", ...columns(() => "15 min, a changed one 30 to 60 min")],
        ["weather after the begin of its step", ...columns(() => `${number(Math.round(weatherLateMs / 1_000))} s`)],
      ],
    ),
    "No gateway ran for these sizes: a day of 100,000 homes would take days. The same pure functions that the gateway uses (cells and",
    "densities, crowds of places, draws of k, medians) are applied to a generated world of that many homes in India, three devices in",
    "each, one in seven of them a station in a garden that reports once in one to three hours; the draws are seeded instead of keyed. The",
    "last three rows do not depend on the size: they are rules, or of the run.",
    "",
  ];
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(share < 0.01 ? 2 : share > 0.99 && share < 1 ? 2 : 1))} %`;
}

function degrees(value: number): string {
  return `${value.toFixed(2)}°`;
}

function number(value: number): string {
  return new Intl.NumberFormat("en").format(value);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (parts: readonly string[]) => `| ${parts.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line), ""];
}
