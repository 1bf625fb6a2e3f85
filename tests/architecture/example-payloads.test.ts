/** What a page shows as a device's message is taken whole as it stands: every key known, every value in its range or a word. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { PARTS, type Part, type Unread, validatePart } from "../../src/model/raw.ts";
import { propertyRow } from "../../src/vocabulary/row.ts";
import { Vocabulary } from "../../src/vocabulary/vocabulary.ts";
import { SEQ } from "../../tools/stack/scratch-config.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** With the one property that private systems declare beside: messages of the demo are shown too. */
const vocabulary = new Vocabulary([propertyRow.parse(SEQ)]);
/** A topic of a device and what may stand between it and its payload. */
const TOPIC = new RegExp(`devices/[^/\\s]+/(${PARTS.join("|")})(?:\`? \\| \`|\\s+(?:\\\\\\s+-m ')?)$`);
const LONGEST_TOPIC = 200;

interface Example {
  readonly page: string;
  /** Absent: what a service or an export is told. */
  readonly part: Part | undefined;
  readonly json: object;
}

const examples = ["README.md", ...markdownBelow("docs")].flatMap(examplesOf);

function markdownBelow(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" });
  return entries.filter((path) => path.endsWith(".md")).map((path) => `${folder}/${path}`);
}

function examplesOf(page: string): Example[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  const found: Example[] = [];
  for (let at = text.indexOf("{"); at >= 0; at = text.indexOf("{", at + 1)) {
    const end = endOf(text, at);
    const json = end === undefined ? undefined : jsonIn(text.slice(at, end));
    if (json === undefined || end === undefined) continue;
    const [, named] = TOPIC.exec(text.slice(Math.max(0, at - LONGEST_TOPIC), at)) ?? [];
    const part = (named as Part | undefined) ?? (isMessage(json) ? "telemetry" : undefined);
    if (part !== undefined || statusIn(json) !== undefined) found.push({ page, part, json });
    at = end - 1;
  }
  return found;
}

/** Where the brace is closed. */
function endOf(text: string, at: number): number | undefined {
  let open = 0;
  for (let end = at; end < text.length; end += 1) {
    if (text[end] === "{") open += 1;
    else if (text[end] === "}") open -= 1;
    if (open === 0) return end + 1;
  }
  return undefined;
}

/** An ellipsis stands for more of the same. */
function jsonIn(text: string): object | undefined {
  try {
    return JSON.parse(text.replaceAll(",…}", "}")) as object;
  } catch {
    return undefined;
  }
}

function statusIn(json: object): object | undefined {
  const { status } = json as { status?: unknown };
  return typeof status === "object" && status !== null ? status : undefined;
}

function isMessage(json: object): boolean {
  return (
    Object.keys(json).some((key) => key === "status" || key === "location") &&
    validatePart("telemetry", json) !== undefined
  );
}

/** What a gateway would leave out, or why it would refuse all of it. */
function faultsOf({ part, json }: Example): unknown[] {
  const message = part === undefined ? (json as Unread) : validatePart(part, json);
  if (message === undefined) return ["invalid-payload"];
  const dropped: unknown[] = [];
  const taken = message.status && vocabulary.take(message.status, (why) => dropped.push(why));
  return typeof taken === "string" ? [taken] : dropped;
}

test("the pages show messages of devices and of services", () => {
  expect(examples.filter(({ part }) => part !== undefined).length).toBeGreaterThanOrEqual(6);
  expect(examples.filter(({ part }) => part === undefined).length).toBeGreaterThanOrEqual(2);
  expect(examples.map(({ page }) => page)).toEqual(
    expect.arrayContaining(["docs/topics.md", "docs/guides/connect-a-device.md"]),
  );
});

test.each(examples)("$page: $json", (example) => {
  expect(faultsOf(example)).toEqual([]);
});

test("what the vocabulary does not know is found", () => {
  const shown = {
    page: "",
    part: "status",
    json: { power_on: true, "power-on": 1, battery: 101, preset: "late" },
  } as const;
  expect(faultsOf(shown)).toEqual(["unknown", "out-of-range", "not-a-word"]);
  expect(faultsOf({ page: "", part: "telemetry", json: { status: {}, extra: 1 } })).toEqual(["invalid-payload"]);
});
