/** The page of dialects, made from their files: what is taken of each family, what is thrown away, what one sets on the device. */
import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { waysOf } from "../src/dialects/command.ts";
import {
  type DialectShape,
  dialectShape,
  type LeavesShape,
  type RuleShape,
  THROWN_AWAY,
  type TreeShape,
  type WayShape,
} from "../src/dialects/file.ts";

const FOLDER = new URL("../config/dialects/", import.meta.url);

/** In the order in which families were added to the project; others follow by name. */
const FIRST = ["zigbee2mqtt", "tasmota", "shelly-gen1", "shelly-gen2", "esphome"];

export function devicesPage(): string[] {
  const files = readdirSync(FOLDER)
    .filter((file) => file.endsWith(".yaml"))
    .toSorted((left, right) => place(left) - place(right) || left.localeCompare(right));
  const dialects = files.map((file) => dialectShape.parse(parse(readFileSync(new URL(file, FOLDER), "utf8"))));
  return [
    ...dialects.map(({ dialect, title }) => `- [${title}](#${anchor(title)}) (\`${dialect}\`)`),
    "",
    ...dialects.flatMap(section),
    ...NOT_HERE,
  ];
}

/** Families that one could expect, and why there is no dialect for them. */
const NOT_HERE = [
  "## Not here, and why",
  "",
  "| family | why |",
  "| --- | --- |",
  ...Object.entries({
    "Frigate, Ring": "They tell of people: who stood before a camera, faces, number plates, who came and who left.",
    ESPresense: "It tells in which room which phone or watch is, also those of guests and of passers-by.",
    Meshtastic: "One radio publishes what it hears of all: positions and messages of people who have no device here.",
    "Sparkplug B":
      "Binary, and a metric is a number whose name stood in an earlier message. It needs a host of its own, which can publish what it decoded in the native contract.",
    "AWS IoT device shadow":
      "The topics begin with `$aws` and belong to the broker of the service: a device that has them speaks to that broker and to no other.",
    "Tuya cloud (TuyaLink)":
      "Client id, user name and password are computed for the vendor's own broker; no device can be pointed at another one. Devices that run Tasmota or ESPHome instead are taken.",
    "The Things Stack (TTN)":
      "It is itself the broker: nothing of it connects but a bridge. Let its webhook or a bridge publish in the native contract, or use ChirpStack.",
  }).map(([family, why]) => `| ${family} | ${why} |`),
  "",
];

function place(file: string): number {
  const at = FIRST.indexOf(file.replace(".yaml", ""));
  return at === -1 ? FIRST.length : at;
}

function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^a-z0-9_ -]/g, "")
    .replaceAll(" ", "-");
}

function section(shape: DialectShape): string[] {
  const thrown = [...new Set(shape.rules.flatMap((rule) => thrownAway(rule)))].toSorted();
  return [
    `## ${shape.title}`,
    "",
    `File \`config/dialects/${shape.dialect}.yaml\`. ${(shape.about ?? "").trim().replace(/\s+/g, " ")}`,
    "",
    "| topic | taken |",
    "| --- | --- |",
    ...shape.rules.map((rule) => `| ${code(rule.topic)}${whenOf(rule)} | ${taken(rule)} |`),
    "",
    ...(thrown.length > 0 ? [`Known and thrown away: ${thrown.map(code).join(", ")}.`, ""] : []),
    ...(shape.expected.length > 0
      ? [`Published by the family and never taken: ${shape.expected.map(code).join(", ")}.`, ""]
      : []),
    ...(shape.models.length > 0 ? [`Kinds of device: ${shape.models.map(kind).join(", ")}.`, ""] : []),
    ...(shape.subscriptions.length > 0
      ? [`The firmware subscribes to: ${shape.subscriptions.map(code).join(", ")}.`, ""]
      : []),
    ...commandsOf(shape),
    ...(shape.notices.weather === undefined ? [] : [`Forecasts go to ${code(shape.notices.weather)}.`, ""]),
    ...shape.settings.flatMap(({ where, lines }) => [
      `On the device (${where}):`,
      "",
      "```text",
      lines.trimEnd(),
      "```",
      "",
    ]),
  ];
}

function kind({ match, as, outdoor }: DialectShape["models"][number]): string {
  return `${code(match)} ${as}${outdoor === true ? " (outdoors)" : ""}`;
}

function whenOf({ when }: RuleShape): string {
  return Object.entries(when ?? {})
    .map(([path, word]) => ` when ${code(path)} is ${code(word)}`)
    .join("");
}

function taken(rule: RuleShape): string {
  const found = [
    ...(rule.const === undefined ? [] : ["`model`"]),
    ...(rule.text === undefined ? [] : targets(rule.text)),
    ...Object.values(rule.leaves ?? {}).flatMap(targets),
    ...(rule.json === undefined ? [] : targets(rule.json)),
  ];
  return [...new Set(found)].join(", ") || "nothing";
}

function targets(branch: TreeShape | LeavesShape): string[] {
  if (branch === THROWN_AWAY) return [];
  if (typeof branch === "string") return [code(branch)];
  if (!Array.isArray(branch)) return Object.values(branch as TreeShape).flatMap(targets);
  return branch.flatMap(({ to, words }) => [
    ...(to === undefined ? [] : [code(to.replace("status.", ""))]),
    ...Object.values(words ?? {}).flatMap((meaning) =>
      typeof meaning === "object" ? Object.keys(meaning).map(code) : [],
    ),
  ]);
}

function thrownAway(rule: RuleShape): string[] {
  const found: string[] = [];
  const visit = (tree: TreeShape): void => {
    for (const [names, below] of Object.entries(tree)) {
      if (below === THROWN_AWAY) found.push(...names.split("|").map((name) => name.trim()));
      else if (typeof below !== "string" && !Array.isArray(below)) visit(below as TreeShape);
    }
  };
  if (rule.json !== undefined) visit(rule.json);
  if (rule.leaves !== undefined) visit(rule.leaves as TreeShape);
  return found;
}

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

function commandsOf({ commands }: DialectShape): string[] {
  const rows = Object.entries(commands).flatMap(([name, ways]) =>
    waysOf(ways).map((way) => `| ${code(name)} | ${code(way.topic)} | ${writtenAs(way)} |`),
  );
  return rows.length === 0 ? [] : ["| command of a scene service | goes to | as |", "|---|---|---|", ...rows, ""];
}

function writtenAs({ json, text, words, scale, offset, inverse, between }: WayShape): string {
  const shape = json === undefined ? (text ?? "{value}") : JSON.stringify(json);
  const listed = Object.entries(words ?? {}).map(
    ([word, means]) => `${code(word)} → ${means === "" ? "nothing" : code(`${means}`)}`,
  );
  return [
    ...(listed.every((word) => word.endsWith("nothing")) && listed.length > 0 ? [] : [code(shape)]),
    ...listed,
    ...(scale === undefined ? [] : [`× ${round(scale)}`]),
    ...(offset === undefined ? [] : [`+ ${round(offset)}`]),
    ...(inverse === undefined ? [] : [`${inverse} ÷ value`]),
    ...(between === undefined ? [] : [`between ${between.join(" and ")}`]),
  ].join(", ");
}

function round(value: number): number {
  return Number(value.toFixed(4));
}
