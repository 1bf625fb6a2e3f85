/**
 * Reads one publication with a compiled dialect: which rule it is, whose it is, and what of it is taken. Without I/O; the result
 * is the native contract.
 */
import type { Refusal } from "../model/outcome.ts";
import { carriedBy, PARTS, type RawTelemetry, validatePart } from "../model/raw.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";
import type { Branch, Dialect, Rule } from "./compile.ts";
import { at, type Draft } from "./leaf.ts";
import { matchTopic } from "./topic.ts";
import { NotTaken, type TellDropped, Walk } from "./walk.ts";

/** The connection that published: what it is called, and the devices behind it. */
export interface Sender {
  /** Whether this level of a topic is what the device is called. */
  isSelf(word: string): boolean;
  /** Whether a device is registered under this alias. */
  hasChild(alias: string): boolean;
}

/** One message out of a publication. */
export interface Mapped {
  /** Of the child it is about; `undefined`: the sender itself. */
  readonly child: string | undefined;
  readonly telemetry: RawTelemetry;
  readonly hasCounters: boolean;
  /** Parts that no rule names or that could not be read. */
  readonly dropped: number;
  /** Parts that a rule names to be thrown away. */
  readonly thrownAway: number;
}

/** Which rule spoke, for hints; never a key or a value from outside. */
export interface Refused {
  readonly refused: Refusal;
  readonly rule?: number | undefined;
  /** It was for account data. */
  readonly account?: true;
}

/** What the topic alone says. The rules differ by what stands in the payload. */
export interface Addressed {
  readonly words: readonly string[];
  readonly rules: readonly Candidate[];
  /** Of the child that the topic names. */
  readonly child: string | undefined;
  /** The last rule that fits but for a device that is not registered. */
  readonly stranger: number | undefined;
}

interface Candidate {
  readonly rule: Rule;
  readonly alias: string | undefined;
  readonly leaf: string | undefined;
}

const MOST_MESSAGES = 16;
const MOST_TOPIC_LEVELS = 64;
const NOTHING_RESERVED: ReadonlySet<string> = new Set();

/** Both steps at once. */
export function readPublication(
  dialect: Dialect,
  sender: Sender,
  topic: string,
  payload: string,
  dropped: TellDropped = () => undefined,
): readonly Mapped[] | Refused {
  return readPayload(dialect, readTopic(dialect, sender, topic), sender, payload, dropped);
}

/** A topic that nothing names costs no look at the payload. */
export function readTopic(dialect: Dialect, sender: Sender, topic: string): Addressed {
  const words = topic.split("/", MOST_TOPIC_LEVELS + 1);
  const rules: Candidate[] = [];
  let stranger: number | undefined;
  if (words.length <= MOST_TOPIC_LEVELS) {
    for (const rule of dialect.rules) {
      const match = matchTopic(rule.topic, words, sender, reservedAt(dialect, rule));
      if (match === undefined || (rule.leaves !== undefined && !rule.leaves.has(match.leaf ?? ""))) continue;
      const { child: alias, leaf } = match;
      if (alias === undefined || sender.hasChild(alias)) rules.push({ rule, alias, leaf });
      else stranger = rule.number;
    }
  }
  const child = rules[0]?.alias;
  return { words, rules, child: rules.every(({ alias }) => alias === child) ? child : undefined, stranger };
}

/** What a publication is that no rule fits; it may still be on a topic of which nothing is taken. */
export function fittingNone({ expected }: Dialect, sender: Sender, { words, stranger }: Addressed): Refused {
  if (words.length > MOST_TOPIC_LEVELS) return { refused: "invalid-topic" };
  if (expected.some((pattern) => matchTopic(pattern, words, sender, NOTHING_RESERVED) !== undefined))
    return { refused: "not-taken" };
  return stranger === undefined ? { refused: "invalid-topic" } : { refused: "unknown-device", rule: stranger };
}

export function readPayload(
  dialect: Dialect,
  addressed: Addressed,
  sender: Sender,
  payload: string,
  dropped: TellDropped,
): readonly Mapped[] | Refused {
  const { rules } = addressed;
  // How a publication that brokers keep is taken back: of a device that was renamed, or is no longer there.
  if (payload === "") return { refused: "not-taken" };
  let json: { readonly value: unknown } | undefined;
  for (const candidate of rules) {
    const { rule } = candidate;
    if (rule.json !== undefined) {
      json ??= { value: parsed(payload) };
      // A bare word or number is for a rule of the same topic that reads text, where there is one.
      if (typeof json.value !== "object" && rules.some(({ rule: other }) => other.json === undefined)) continue;
      // A text where an object is asked for is of no rule that looks into it.
      if (json.value === undefined) return { refused: "invalid-payload", rule: rule.number };
      if (!holds(rule, json.value)) continue;
    }
    return read(dialect, candidate, sender, json?.value, payload, dropped);
  }
  return fittingNone(dialect, sender, addressed);
}

function reservedAt({ reserved }: Dialect, { topic }: Rule): ReadonlySet<string> {
  return reserved.get(topic.child) ?? NOTHING_RESERVED;
}

function holds({ when }: Rule, json: unknown): boolean {
  return when.every(({ path, word }) => at(json, path) === word);
}

function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch {
    return undefined;
  }
}

function read(
  dialect: Dialect,
  { rule, alias: fromTopic, leaf }: Candidate,
  sender: Sender,
  json: unknown,
  payload: string,
  dropped: TellDropped,
): readonly Mapped[] | Refused {
  const walk = new Walk(json, rule.number, dropped);
  try {
    if (rule.json !== undefined) walk.branch(rule.json, json, walk.root, 1);
    else walk.branch((rule.leaves?.get(leaf ?? "") ?? rule.text) as Branch, payload.trim(), walk.root, 1);
    let alias = fromTopic;
    if (rule.childPath !== undefined) {
      const named = at(json, rule.childPath);
      alias = typeof named === "number" ? String(named) : typeof named === "string" ? named : undefined;
      if (alias === undefined) return { refused: "invalid-payload", rule: rule.number };
      if (!sender.hasChild(alias)) return { refused: "unknown-device", rule: rule.number };
    }
    return finish(dialect, rule, walk, alias, sender);
  } catch (error) {
    if (!(error instanceof NotTaken)) throw error;
    return { refused: "invalid-payload", rule: rule.number, ...(error.account && { account: true }) };
  }
}

function finish(
  { vocabulary }: Dialect,
  rule: Rule,
  walk: Walk,
  alias: string | undefined,
  sender: Sender,
): readonly Mapped[] | Refused {
  const drafts: [string | undefined, Draft][] = [[alias, walk.root], ...walk.children];
  if (rule.refuseUnknown && drafts.some(([, { dropped }]) => dropped > 0))
    return { refused: "invalid-payload", rule: rule.number };
  const known = drafts.filter(([child, draft]) => hasContent(draft) && (child === undefined || sender.hasChild(child)));
  if (known.length > MOST_MESSAGES) return { refused: "invalid-payload", rule: rule.number };
  const messages: Mapped[] = [];
  for (const [child, draft] of known) {
    const message = mapped(child, draft, rule.model, vocabulary, walk);
    if (message === undefined) return { refused: "invalid-payload", rule: rule.number };
    messages.push(message);
  }
  if (messages.length > 0) return messages;
  const refused = drafts.some(([, draft]) => hasContent(draft))
    ? "unknown-device"
    : drafts.some(([, { unreadable, taken }]) => unreadable + taken > 0)
      ? "invalid-payload"
      : "not-taken";
  return { refused, rule: rule.number };
}

/** Half a place is none. */
function hasContent({ taken, lat, lon }: Draft): boolean {
  const half = (lat === undefined) !== (lon === undefined) ? 1 : 0;
  return taken > half;
}

/** `undefined` when it is not of the native contract: an address that is none, a place that does not exist. */
function mapped(
  child: string | undefined,
  draft: Draft,
  constantModel: string | undefined,
  vocabulary: Vocabulary,
  walk: Walk,
): Mapped | undefined {
  const { ip, lat, lon, ts, id } = draft;
  const model = draft.model ?? constantModel;
  let { dropped } = draft;
  const taken = vocabulary.take(draft.status, (why, property) => {
    dropped += 1;
    walk.tell(why, property);
  });
  const { status, hasCounters = false } = typeof taken === "object" ? taken : {};
  const telemetry: RawTelemetry = {
    ...(model !== undefined && { model }),
    ...(ip !== undefined && { ip }),
    ...(lat !== undefined && lon !== undefined && { location: { lat, lon } }),
    ...(status !== undefined && { status }),
    ...(ts !== undefined && { ts }),
    ...(id !== undefined && { id }),
  };
  if (carriedBy(telemetry) === 0 || validatePart(PARTS[0], telemetry) === undefined) return undefined;
  return { child, telemetry, hasCounters, dropped: dropped + draft.unreadable, thrownAway: draft.thrownAway };
}
