/**
 * Compiles what a leaf of a dialect says into one function: it reads a value and puts it where it belongs. A value that
 * cannot be read so is left out; it never becomes something else.
 */
import type { StatusValue } from "../model/deidentified.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";
import type { LeafShape, LeavesShape } from "./file.ts";

/** What a message becomes, while it is read. */
export interface Draft {
  model?: string;
  ip?: string;
  lat?: number;
  lon?: number;
  ts?: number;
  id?: string;
  readonly status: Record<string, StatusValue>;
  /** Properties that no later part changes. */
  prevailing?: Set<string>;
  /** How many parts were taken, could not be read, were not named, are never taken. */
  taken: number;
  unreadable: number;
  dropped: number;
  thrownAway: number;
}

export function emptyDraft(): Draft {
  return { status: {}, taken: 0, unreadable: 0, dropped: 0, thrownAway: 0 };
}

/** `true` when the value was taken. `root` is the whole payload. */
export type Leaf = (value: unknown, root: unknown, draft: Draft) => boolean;

const PLACES = new Set(["model", "ip", "location.lat", "location.lon", "ts", "id"]);
const STATUS = "status.";
const LONGEST_TEXT = 64;
const SIGNIFICANT = 6;
const LARGE = 1_000;
const DECIMALS = 3;
const SECOND_MS = 1_000;
const NUMBER_AS_TEXT = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\s*$/;
/** RFC 3339 with a zone; without one no one knows which hour is meant. */
const TIME_WITH_ZONE = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:?\d\d)$/;
/** Dotted IPv4, or what only an IPv6 address has; whether it is one is for the schema of the contract to say. */
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$/;

/** The faults a leaf has, as text; none when it compiles. */
export type Fault = (what: string) => void;

export function compileLeaves(shape: LeavesShape, vocabulary: Vocabulary, fault: Fault): readonly Leaf[] {
  return shapesOf(shape).map((one) => compileLeaf(one, vocabulary, fault));
}

/** Whether what stands there is a number in the first place. */
export function readsNumbers(shape: LeavesShape, vocabulary: Vocabulary): boolean {
  const [first] = shapesOf(shape);
  if (first === undefined || first.words !== undefined) return false;
  const property = first.to?.startsWith(STATUS) ? vocabulary.get(first.to.slice(STATUS.length)) : undefined;
  if (property !== undefined) return property.kind === "number" || property.kind === "counter";
  return first.to?.startsWith("location.") === true || first.to === "ts";
}

function shapesOf(shape: LeavesShape): readonly LeafShape[] {
  if (typeof shape !== "string") return shape;
  return [{ to: shape.includes(".") || PLACES.has(shape) ? shape : STATUS + shape }];
}

function compileLeaf(shape: LeafShape, vocabulary: Vocabulary, fault: Fault): Leaf {
  if (shape.words !== undefined) return wordLeaf(shape, shape.words, vocabulary, fault);
  const put = target(shape.to, vocabulary, fault, shape.prevails);
  if (shape.to === "ts") return (value, _, draft) => put(timeOf(value, shape.time ?? "milliseconds"), draft);
  if (shape.to === "model" || shape.to === "id" || shape.to === "ip")
    return (value, _, draft) => put(textOf(value), draft);
  const property = shape.to?.startsWith(STATUS) ? vocabulary.get(shape.to.slice(STATUS.length)) : undefined;
  if (property?.kind === "flag") {
    const { opposite } = shape;
    return (value, _, draft) => put(typeof value === "boolean" ? value !== (opposite === true) : undefined, draft);
  }
  if (shape.opposite === true) fault("`opposite` is for flags");
  if (property?.kind === "word")
    return (value, _, draft) => put(typeof value === "string" ? value.toLowerCase() : undefined, draft);
  const round = property?.kind === "counter" ? asTotal : asReading;
  return (value, root, draft) => put(scaled(numberOf(value), shape, root, round), draft);
}

/** A word of the vendor chooses the value, and perhaps the property. */
function wordLeaf(
  shape: LeafShape,
  words: NonNullable<LeafShape["words"]>,
  vocabulary: Vocabulary,
  fault: Fault,
): Leaf {
  const meanings = new Map<string, readonly ((draft: Draft) => boolean)[]>();
  for (const [word, means] of Object.entries(words)) {
    if (means === "-") meanings.set(word, []);
    else if (typeof means === "object") {
      const puts = Object.entries(means).map(([name, value]) =>
        constant({ to: STATUS + name }, value, vocabulary, fault),
      );
      meanings.set(word, puts);
    } else meanings.set(word, [constant(shape, means, vocabulary, fault)]);
  }
  return (value, _, draft) => {
    const means = typeof value === "object" ? undefined : meanings.get(String(value));
    if (means === undefined) return false;
    for (const put of means) put(draft);
    if (means.length === 0) draft.thrownAway += 1;
    return true;
  };
}

function constant(
  { to, prevails }: LeafShape,
  value: StatusValue,
  vocabulary: Vocabulary,
  fault: Fault,
): (draft: Draft) => boolean {
  const put = target(to, vocabulary, fault, prevails);
  const property = to?.startsWith(STATUS) ? vocabulary.get(to.slice(STATUS.length)) : undefined;
  if (property?.kind === "flag" && typeof value !== "boolean") fault(`${property.name} is true or false`);
  if (property?.kind === "word" && !property.words.has(String(value))) fault(`${property.name} is never "${value}"`);
  if ((property?.kind === "number" || property?.kind === "counter") && typeof value !== "number")
    fault(`${property.name} is a number`);
  return (draft) => put(value, draft);
}

/** Puts a value in its place; `undefined` was not readable. */
function target(
  to: string | undefined,
  vocabulary: Vocabulary,
  fault: Fault,
  prevails = false,
): (value: StatusValue | undefined, draft: Draft) => boolean {
  if (to === undefined) fault("a leaf without `to`");
  else if (to.startsWith(STATUS)) {
    const name = to.slice(STATUS.length);
    if (vocabulary.get(name) === undefined) fault(`"${name}" is no property`);
    return (value, draft) => {
      if (value === undefined) return false;
      if (!prevails && draft.prevailing?.has(name) === true) return true;
      if (prevails) draft.prevailing = new Set(draft.prevailing).add(name);
      draft.status[name] = value;
      draft.taken += 1;
      return true;
    };
  } else if (!PLACES.has(to)) fault(`"${to}" is no place of the contract`);
  const key = (to ?? "").replace("location.", "") as "model" | "ip" | "lat" | "lon" | "ts" | "id";
  const isText = key === "model" || key === "ip" || key === "id";
  return (value, draft) => {
    if (value === undefined || (typeof value === "string") !== isText) return false;
    if (key === "ip" && !ADDRESS.test(value as string)) return false;
    (draft as unknown as Record<string, StatusValue>)[key] = value;
    // The time and the name of a message are no reason to keep it.
    if (key !== "ts" && key !== "id") draft.taken += 1;
    return true;
  };
}

function scaled(
  value: number | undefined,
  { scale, offset, unit }: LeafShape,
  root: unknown,
  round: (value: number) => number,
): number | undefined {
  if (value === undefined) return undefined;
  if (unit === undefined) return converted(value, scale, offset, round);
  const word = at(root, unit.path.split("."));
  const of = typeof word === "string" && Object.hasOwn(unit.words, word) ? unit.words[word] : undefined;
  return of === undefined ? undefined : converted(value, of.scale, of.offset, round);
}

function converted(
  value: number,
  scale: number | undefined,
  offset: number | undefined,
  round: (value: number) => number,
): number {
  return scale === undefined && offset === undefined ? value : round(value * (scale ?? 1) + (offset ?? 0));
}

/** So that 21.1 does not become 21.099999. */
function asReading(value: number): number {
  return Number(value.toPrecision(SIGNIFICANT));
}

/** The same; but the steps of a total must not grow with it. */
function asTotal(value: number): number {
  return value < LARGE ? asReading(value) : Number(value.toFixed(DECIMALS));
}

/** A number, also as text. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === "string")
    return value.length <= LONGEST_TEXT && NUMBER_AS_TEXT.test(value) ? Number(value) : undefined;
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function textOf(value: unknown): string | undefined {
  const text = typeof value === "number" ? String(value) : value;
  return typeof text === "string" && text.length > 0 && text.length <= LONGEST_TEXT ? text : undefined;
}

/** Unix ms. */
function timeOf(value: unknown, written: "seconds" | "milliseconds" | "iso"): number | undefined {
  if (written === "iso") {
    if (typeof value !== "string" || !TIME_WITH_ZONE.test(value)) return undefined;
    const ms = Date.parse(value.replace(" ", "T"));
    return Number.isNaN(ms) ? undefined : ms;
  }
  const number = numberOf(value);
  return number === undefined ? undefined : Math.round(written === "seconds" ? number * SECOND_MS : number);
}

/** What stands at a path of keys, `undefined` when there is nothing. */
export function at(json: unknown, path: readonly string[]): unknown {
  let here = json;
  for (const key of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Readonly<Record<string, unknown>>)[key];
  }
  return here;
}
