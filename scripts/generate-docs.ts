/**
 * Writes every document that has its source in code: the annotated defaults, and the references for
 * configuration, metrics, errors and the properties of `status`, and the dashboards. A test fails when a file on disk differs from what this makes.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ATTACKS } from "../attacks/attackers/all.ts";
import type { AttacksResult } from "../attacks/result.ts";
import { type OptionRow, optionRows } from "../src/config/options.ts";
import { ERRORS } from "../src/model/errors.ts";
import { DEAD_LETTER_REASONS, REFUSALS } from "../src/model/outcome.ts";
import { PROPERTY_KINDS, type PropertyKind } from "../src/model/property.ts";
import { SERVICE_PURPOSES } from "../src/model/purposes.ts";
import { ATTRIBUTES, type Attribute, ROOT_SPANS, STEP_SPANS } from "../src/model/trace.ts";
import type { MetricRow } from "../src/observe/metric-row.ts";
import { METRICS } from "../src/observe/metric-table.ts";
import { VERSION } from "../src/observe/version.ts";
import { asyncApi, schemaFile } from "../src/projections/asyncapi.ts";
import { FORECAST_FILE } from "../src/projections/forecast.ts";
import { type PropertyRow, propertyOf } from "../src/vocabulary/row.ts";
import { TABLE } from "../src/vocabulary/table.ts";
import { Vocabulary } from "../src/vocabulary/vocabulary.ts";
import { consoleGuide } from "./console-guide.ts";
import { dashboardFiles } from "./dashboards.ts";
import { devicesPage } from "./devices-page.ts";
import { importOverrides, ROOMS } from "./rooms.ts";
import { strengthPage } from "./strength-page.ts";
import { densityPicture, linkagePicture } from "./strength-pictures.ts";

const COMMAND = "npm run config:docs";

/** Path from the root of the repository → content. */
export function generatedDocuments(): Map<string, string> {
  const rows = optionRows();
  const shipped = new Vocabulary().properties;
  return new Map([
    ["config/defaults.yaml", defaultsYaml(rows)],
    ["docs/configuration.md", configurationPage(rows)],
    ["docs/metrics.md", metricsPage()],
    ["docs/errors.md", errorsPage()],
    ["docs/properties.md", propertiesPage()],
    ["docs/asyncapi.json", json(asyncApi(shipped, VERSION))],
    ...SERVICE_PURPOSES.map(
      (purpose) => [`docs/schemas/${purpose}.json`, json(schemaFile(purpose, shipped))] as [string, string],
    ),
    ["docs/schemas/forecast.json", json(FORECAST_FILE)],
    ["docs/devices.md", page("Real devices", DEVICES_INTRODUCTION, devicesPage())],
    ["biome.imports.json", json({ root: false, overrides: importOverrides() })],
    ["web/console/guide.json", json(consoleGuide())],
    ["CONTRIBUTING.md", contributingPage()],
    ["docs/operations/tracing.md", tracingPage()],
    ...strengthDocuments(),
    ...dashboardFiles(),
  ]);
}

/** Of the figures of a full run, which `npm run strength` leaves. */
function strengthDocuments(): [string, string][] {
  const root = new URL("../", import.meta.url);
  const result = JSON.parse(readFileSync(new URL("docs/privacy/strength.json", root), "utf8")) as AttacksResult;
  const { introduction, body } = strengthPage(result, ATTACKS);
  return [
    ["docs/privacy/strength.md", page("How strong it is", introduction, body)],
    ["docs/privacy/strength-attacks.svg", linkagePicture(result)],
    ["docs/privacy/strength-densities.svg", densityPicture(root)],
  ];
}

function json(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

function defaultsYaml(rows: readonly OptionRow[]): string {
  const lines = [
    `# Every option with its default. Made by \`${COMMAND}\`; copy what you change into a file of your own.`,
    "# A commented option has no default and may be left out.",
  ];
  let open: readonly string[] = [];
  for (const row of rows) {
    const parents = row.path.slice(0, -1);
    const shared = parents.findIndex((name, depth) => open[depth] !== name);
    const from = shared === -1 ? parents.length : shared;
    if (parents.length === 0 || from === 0) lines.push("");
    for (let depth = from; depth < parents.length; depth += 1) lines.push(`${indent(depth)}${parents[depth]}:`);
    open = parents;
    lines.push(...optionYaml(row, indent(parents.length)));
  }
  return `${lines.join("\n")}\n`;
}

function optionYaml(row: OptionRow, margin: string): string[] {
  const unit = row.unit === undefined ? "" : ` [${row.unit}]`;
  const name = row.path.at(-1);
  const comment = `${margin}# ${row.description}${unit}${row.environment === undefined ? "" : ` ${row.environment}`}`;
  if (row.default === undefined) return [comment, `${margin}# ${name}:`];
  if (row.kind !== "objects") return [comment, `${margin}${name}: ${JSON.stringify(row.default)}`];
  const entries = row.default as readonly object[];
  if (entries.length === 0) return [comment, `${margin}${name}: []`];
  return [comment, `${margin}${name}:`, ...entries.map((entry) => `${margin}  - ${JSON.stringify(entry)}`)];
}

const DEVICES_INTRODUCTION = [
  "Devices publish in formats of their own. A **dialect** is a table that says which topics a family publishes to and what of each",
  "payload is taken; what no line of it names is dropped. The result is the [native contract](topics.md), with the properties of",
  "[the vocabulary](properties.md). There are no expressions and no code in a dialect.",
  "",
  "`npm run dialect -- try <dialect> --topic <topic> --payload <text>` shows what would be taken of a publication, and",
  "`npm run dialect -- check <file>` compiles a file of your own. In the topics, `{self}` is what the firmware calls the device,",
  "`{child}` a device behind a hub, `{leaf}` a name of a list, `+` any level.",
  "",
  "## Give a device its dialect",
  "",
  "The token says how the device speaks. `alias` is what the firmware calls itself in its topics; left out, it is the device id.",
  "`$API`, `$AUTH` and `$JSON` are those of [HTTP by example](http.md).",
  "",
  "```sh",
  'curl -X PUT -H "$AUTH" $API/v1/subjects/acct-42/devices/plug-7',
  'curl -X POST -H "$AUTH" -H "$JSON" $API/v1/devices/plug-7/token -d \'{"dialect":"tasmota","alias":"tasmota_3D5E26"}\'',
  '# 201 {"token":"…"}      goes into the firmware as its password; the user name is plug-7, the client id anything',
  "```",
  "",
  "A hub speaks for devices that have no connection. Each is bound first, then registered under the name that the hub has for it:",
  "",
  "```sh",
  'curl -X PUT -H "$AUTH" $API/v1/subjects/acct-42/devices/bridge-1',
  'curl -X PUT -H "$AUTH" $API/v1/subjects/acct-42/devices/lamp-2',
  'curl -X POST -H "$AUTH" -H "$JSON" $API/v1/devices/bridge-1/token -d \'{"dialect":"zigbee2mqtt"}\'',
  'curl -X PUT -H "$AUTH" -H "$JSON" $API/v1/devices/bridge-1/children -d \'{"children":[{"device":"lamp-2","alias":"Kitchen/lamp"}]}\'',
  '# 200 {"outcomes":["registered"]}',
  "```",
  "",
  "The gateway reads each publication at the door, before any other check ([decision",
  "042](decisions/042-a-publication-is-read-at-the-door.md)); [what is different then](topics.md#in-a-dialect) stands in the contract.",
  "Nothing is taken without the consent of the person each device belongs to. When nothing arrives: [troubleshooting](troubleshooting.md).",
];

function configurationPage(rows: readonly OptionRow[]): string {
  const sections = new Map<string, OptionRow[]>();
  for (const row of rows) {
    const section = row.path[0] ?? "";
    sections.set(section, [...(sections.get(section) ?? []), row]);
  }
  const tables = [...sections].flatMap(([section, part]) => [
    `## ${section}`,
    "",
    ...table(["option", "default", "unit", "environment", "description"], part.map(optionCells)),
    ...part.filter((row) => row.kind === "objects").flatMap(fieldsOf),
  ]);
  return page("Configuration", CONFIGURATION_INTRODUCTION, tables);
}

const CONFIGURATION_INTRODUCTION = [
  "An option takes its value from the environment, else from the file given with `--config`, else from its default. The",
  "gateway does not start on an unknown option, an unknown `CONSENTRY_…` variable or a value out of range; the error lists",
  "every one as `path: code` and shows no values.",
  "",
  "- The environment name follows from the path. Lists of plain values are separated by commas; lists of objects can only",
  "  be given in a file. An empty variable counts as not set. `REDIS_URL` and `INFLUX_URL` stand for",
  "  `CONSENTRY_REDIS_URL` and `CONSENTRY_SINKS_INFLUX_URL` when those are not set.",
  "- A **secret** comes from the environment or from the file its `…File` option names, which must be readable by its owner",
  "  alone (mode 0600 or 0400). It may stand in the configuration file itself only when that is closed to others as well.",
  "- The file is plain YAML 1.2 without tags and aliases. Relative paths start at the working directory.",
];

function optionCells(row: OptionRow): string[] {
  const name = `\`${row.path.join(".")}\``;
  return [name, defaultCell(row), row.unit ?? "", code(row.environment), `${row.description}${secretNote(row)}`];
}

function fieldsOf(row: OptionRow): string[] {
  const cells = row.fields.map((field) => [`\`${field.path.join(".")}\``, `${field.description}${secretNote(field)}`]);
  return [`Each entry of \`${row.path.join(".")}\`:`, "", ...table(["field", "description"], cells)];
}

function defaultCell(row: OptionRow): string {
  if (row.default === undefined) return "–";
  if (row.kind !== "objects")
    return code(row.kind === "text" ? String(row.default) || '""' : JSON.stringify(row.default));
  const entries = row.default as readonly object[];
  return entries.length === 0 ? code("[]") : `${entries.length} entries, see config/defaults.yaml`;
}

function secretNote(row: OptionRow): string {
  return row.secret === undefined ? "" : " **Secret.**";
}

function metricsPage(): string {
  const rows: MetricRow[] = Object.values(METRICS);
  const cells = rows.map((row) => [`\`${row.name}\``, row.kind, labelsCell(row), row.help]);
  return page("Metrics", METRICS_INTRODUCTION, [
    ...table(["metric", "kind", "labels and their values", "meaning"], cells),
    "Beside these stand the usual figures of a Node.js process, under the names that ready-made dashboards know, `process_…` and",
    "`nodejs_…`: CPU time, memory, file handles, garbage collection. They are at most a second old, and so is the age of the backup;",
    "everything else is counted up to the moment of the scrape.",
    "",
  ]);
}

const METRICS_INTRODUCTION = [
  "Served as Prometheus text under `/metrics`, on the HTTP interface or [on a listener of their own](operations/monitoring.md).",
  "`promtool check metrics` finds no fault with it. Labels take their values from the closed sets below: no series names a",
  "device, a subject, a pseudonym or an address. The books balance when",
  "",
  "```",
  "received + recovered = refused + stored + forwarded_only + dead_lettered + handed_over + in_flight",
  "```",
  "",
  "The books of each gateway balance by themselves, and so do their sums over all gateways that share a Redis: what one",
  "admits and another one settles is `handed_over` by the first, within a second or so, and `recovered` by the second.",
  "",
  "Units are in the names: `_seconds`, `_bytes`; everything else is a count.",
];

function labelsCell(row: MetricRow): string {
  return Object.entries(row.labels)
    .map(([label, values]) => `\`${label}\`: ${row.described?.[label] ?? values.join(", ")}`)
    .join("; ");
}

function errorsPage(): string {
  const faults = Object.entries(ERRORS).map(([name, row]) => [code(name), row.retryable ? "yes" : "no", row.meaning]);
  const reasons = (set: Readonly<Record<string, string>>) =>
    Object.entries(set).map(([name, text]) => [code(name), text]);
  return page("Errors and outcomes", ERRORS_INTRODUCTION, [
    "## Faults",
    "",
    "Something is wrong with the gateway or with what it depends on.",
    "",
    ...table(["code", "tried again", "meaning"], faults),
    "## Refusals",
    "",
    "Nothing is wrong: the message may not, or cannot, be kept. The `reason` of `consentry_messages_refused_total`. A refused",
    "message is acknowledged and dropped; only `not-durable` withholds the PUBACK.",
    "",
    ...table(["reason", "meaning"], reasons(REFUSALS)),
    "## Dead letters",
    "",
    "Dead letters: sealed, for an operator. The `reason` of `consentry_messages_dead_lettered_total`.",
    "",
    ...table(["reason", "meaning"], reasons(DEAD_LETTER_REASONS)),
  ]);
}

const ERRORS_INTRODUCTION = ["Messages hold codes and names of options, never a value that came from outside."];

function propertiesPage(): string {
  const sections = PROPERTY_KINDS.flatMap((kind) => [
    ...KIND_SECTIONS[kind],
    "",
    ...propertyTable(
      kind,
      TABLE.filter((row) => row.kind === kind),
    ),
  ]);
  return page("Properties of `status`", PROPERTIES_INTRODUCTION, sections);
}

const PROPERTIES_INTRODUCTION = [
  "Everything a device may say in `status`. The list is closed: any other key, and a value that is not as the list says, is",
  "left out and counted; nothing of it is kept, sealed or not. [The MQTT contract](topics.md#publishing) says what refuses a",
  "message.",
  "",
  "**Kept as** says how exactly a value is stored: a multiple of the step, or so many significant digits. **Scene** is what scene",
  "services get, and **weather** what weather services get, where there is a step for it: each is rounded from what the one before it",
  "would get, so two of them together tell no more than that ([decision 038](decisions/038-status-has-a-closed-vocabulary.md)).",
  "**Classes** is what is stored instead of *kept as* with `deidentify.storedValues: classes`, made of what a scene would get: *from 0, 20*",
  "keeps only the greatest of these that a value reaches. What a device keeps for weeks would lead from one name of it to the next",
  "([decision 050](decisions/050-a-stored-name-lasts-six-hours.md)). A vendor that needs more can declare a property of its own.",
  "",
  "A property that is missing: [how to add one](guides/add-a-property.md).",
];

const KIND_SECTIONS: Readonly<Record<PropertyKind, readonly string[]>> = {
  number: ["## Numbers", "", "Rounded to their step. Outside of its range a number is left out."],
  flag: ["## Flags", "", "`true` or `false`, and nothing that stands for it."],
  word: ["## Words", "", "One of the words, exactly."],
  counter: [
    "## Counters",
    "",
    "The device sends a running total. What is kept and passed on is how much was added since its last message, in whole steps, and",
    "what is stored is not rounded further, so that sums are exact; one that grows faster than the last column says tells nothing.",
  ],
};

function propertyTable(kind: PropertyKind, rows: readonly PropertyRow[]): string[] {
  const name = (row: PropertyRow) => [`\`${row.name}\``, propertyOf(row).label];
  if (kind === "flag")
    return table(
      ["property", "plain name", "scene", "weather"],
      rows.map((row) => [...name(row), "as it is", "–"]),
    );
  if (kind === "word") {
    const cells = rows.map((row) => [...name(row), (row.words ?? []).map(code).join(" "), "as it is", "–"]);
    return table(["property", "plain name", "words", "scene", "weather"], cells);
  }
  const counter = kind === "counter";
  const head = ["property", "plain name", "unit", "range", "kept as", "scene", "classes", "weather"];
  const cells = rows.map((row) => [
    ...name(row),
    row.unit === "1" ? "" : (row.unit ?? ""),
    row.range?.replace("..", " to ") ?? "",
    row.step ?? "",
    row.scene ?? row.step ?? "",
    (counter ? row.step : undefined) ?? row.stored ?? row.scene ?? row.step ?? "",
    row.weather ?? "–",
    ...(counter ? [String(row.mostPerHour ?? "")] : []),
  ]);
  return table(counter ? [...head, "most per hour"] : head, cells);
}

/** The page as it is, with the table of rooms between its marks. */
function contributingPage(): string {
  const rows = ROOMS.map(({ path, what, imports, packages, raw }) => [
    code(path),
    what,
    imports.map(code).join(", "),
    [...packages.map(code), ...(raw ? [code("model/raw")] : [])].join(", "),
  ]);
  const cells = table(["room", "what it is for", "imports, beside `model`", "packages; raw data"], rows);
  return betweenMarks("CONTRIBUTING.md", "scripts/rooms.ts", "the table of rooms", cells);
}

/** The spans and what is told of them, as the page of traces has them. */
function tracingPage(): string {
  const spans: [string, { readonly what: string; readonly tells: readonly Attribute[] }, string][] = [
    ...Object.entries(ROOT_SPANS).map(([name, row]) => [name, row, "root"] as (typeof spans)[number]),
    ...Object.entries(STEP_SPANS).map(([name, row]) => [name, row, "step"] as (typeof spans)[number]),
  ];
  const told = (tells: readonly Attribute[]) => tells.map((one) => code(ATTRIBUTES[one].key)).join(", ");
  return betweenMarks("docs/operations/tracing.md", "src/model/trace.ts", "the tables of spans", [
    ...table(
      ["span", "", "what it is", "tells, beside the outcome"],
      spans.map(([name, { what, tells }, kind]) => [code(name), kind, what, told(tells)]),
    ),
    ...table(
      ["attribute", "what it says"],
      Object.values(ATTRIBUTES).map(({ key, what }) => [code(key), what]),
    ),
  ]);
}

/** A page written by hand, with a part that is made. */
function betweenMarks(file: string, source: string, what: string, made: readonly string[]): string {
  const text = readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
  const [begin, end] = [`<!-- Made by \`${COMMAND}\` of ${source} -->\n`, `<!-- End of ${what} -->`];
  const [before, after] = [text.indexOf(begin), text.indexOf(end)];
  if (before < 0 || after < before) throw new Error(`${file} has no marks around ${what}`);
  return [text.slice(0, before + begin.length), "\n", made.join("\n"), "\n", text.slice(after)].join("");
}

function page(title: string, introduction: readonly string[], body: readonly string[]): string {
  const note = `<!-- Made by \`${COMMAND}\`; edit the source, not this file. -->`;
  return `${[note, `# ${title}`, "", ...introduction, "", ...body].join("\n").trimEnd()}\n`;
}

function table(head: readonly string[], cells: readonly (readonly string[])[]): string[] {
  const line = (parts: readonly string[]) => `| ${parts.map((part) => part.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...cells.map(line), ""];
}

function code(text: string | undefined): string {
  return text === undefined ? "" : `\`${text}\``;
}

function indent(depth: number): string {
  return "  ".repeat(depth);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = new URL("../", import.meta.url);
  for (const [path, content] of generatedDocuments()) {
    const file = fileURLToPath(new URL(path, root));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}
