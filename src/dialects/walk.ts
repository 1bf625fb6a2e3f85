/**
 * Reads one publication with a compiled dialect: which rule it is, whose it is, and what of it is taken. One walk over the
 * payload, without I/O and without recursion into what no rule names; the result is the native contract.
 */
import type { Refusal } from "../model/outcome.ts";
import { carriedBy, PARTS, type RawTelemetry, validatePart } from "../model/raw.ts";
import { isAccountKey } from "../vocabulary/key-words.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";
import type { Branch, Dialect, Rule } from "./compile.ts";
import { at, type Draft, emptyDraft } from "./leaf.ts";
import { type Match, matchTopic } from "./topic.ts";

/** The connection that published: its own alias, and the devices behind it. */
export interface Sender {
  readonly self: string;
  /** Whether a device is registered under this alias. */
  hasChild(alias: string): boolean;
}

/** One message out of a publication. */
export interface Mapped {
  /** Of the child it is about; `undefined`: the sender itself. */
  readonly child: string | undefined;
  readonly telemetry: RawTelemetry;
  /** Parts that no rule names or that could not be read. */
  readonly dropped: number;
  /** Parts that a rule names to be thrown away. */
  readonly thrownAway: number;
}

/** Which rule spoke, for hints; never a key or a value from outside. */
export interface Refused {
  readonly refused: Refusal;
  readonly rule?: number | undefined;
}

const MOST_NODES = 512;
const DEEPEST = 6;
const MOST_MESSAGES = 16;
const MOST_TOPIC_LEVELS = 64;

/** Thrown inside the walk only. */
class Stop extends Error {
  readonly reason: Refusal;
  constructor(reason: Refusal) {
    super(reason);
    this.reason = reason;
  }
}

/** `payload` is called when a rule has been found by its topic: a topic that no one takes costs no decoding. */
export function readPublication(
  dialect: Dialect,
  sender: Sender,
  topic: string,
  payload: string,
): readonly Mapped[] | Refused {
  const words = topic.split("/", MOST_TOPIC_LEVELS + 1);
  if (words.length > MOST_TOPIC_LEVELS) return { refused: "invalid-topic" };
  let json: { readonly value: unknown } | undefined;
  let refused: Refused = { refused: "invalid-topic" };
  for (const rule of dialect.rules) {
    const match = matchTopic(rule.topic, words, sender.self, reservedAt(dialect, rule));
    if (match === undefined) continue;
    if (rule.leaves !== undefined && !rule.leaves.has(match.leaf ?? "")) continue;
    const [alias] = match.children;
    if (alias !== undefined && !sender.hasChild(alias)) {
      refused = { refused: "unknown-device", rule: rule.number };
      continue;
    }
    if (rule.json !== undefined) {
      json ??= { value: parsed(payload) };
      // A text where an object is asked for is of no rule that looks into it.
      if (json.value === undefined) return { refused: "invalid-payload", rule: rule.number };
      if (!holds(rule, json.value)) continue;
    }
    return read(dialect, rule, match, sender, json?.value, payload);
  }
  const isExpected = dialect.expected.some((pattern) => {
    const match = matchTopic(pattern, words, sender.self, new Set());
    return match !== undefined;
  });
  return isExpected ? { refused: "not-taken" } : refused;
}

function reservedAt({ reserved }: Dialect, { topic }: Rule): ReadonlySet<string> {
  return reserved.get(topic.child) ?? NOTHING;
}
const NOTHING: ReadonlySet<string> = new Set();

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
  rule: Rule,
  match: Match,
  sender: Sender,
  json: unknown,
  payload: string,
): readonly Mapped[] | Refused {
  const walk = new Walk(json);
  try {
    if (rule.json !== undefined) walk.branch(rule.json, json, walk.root, 1);
    else walk.branch((rule.leaves?.get(match.leaf ?? "") ?? rule.text) as Branch, payload.trim(), walk.root, 1);
    let [alias] = match.children;
    if (rule.childPath !== undefined) {
      const named = at(json, rule.childPath);
      alias = typeof named === "number" ? String(named) : typeof named === "string" ? named : undefined;
      if (alias === undefined) return { refused: "invalid-payload", rule: rule.number };
      if (!sender.hasChild(alias)) return { refused: "unknown-device", rule: rule.number };
    }
    return finish(dialect, rule, walk, alias, sender);
  } catch (error) {
    if (error instanceof Stop) return { refused: error.reason, rule: rule.number };
    throw error;
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
  const messages: Mapped[] = [];
  for (const [child, draft] of known) {
    const message = mapped(child, draft, rule.model, vocabulary);
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
): Mapped | undefined {
  const { ip, lat, lon, ts, id } = draft;
  const model = draft.model ?? constantModel;
  let { dropped } = draft;
  const taken = vocabulary.take(draft.status, () => {
    dropped += 1;
  });
  const status = typeof taken === "object" ? taken.status : undefined;
  const telemetry: RawTelemetry = {
    ...(model !== undefined && { model }),
    ...(ip !== undefined && { ip }),
    ...(lat !== undefined && lon !== undefined && { location: { lat, lon } }),
    ...(status !== undefined && { status }),
    ...(ts !== undefined && { ts }),
    ...(id !== undefined && { id }),
  };
  if (carriedBy(telemetry) === 0 || validatePart(PARTS[0], telemetry) === undefined) return undefined;
  return { child, telemetry, dropped: dropped + draft.unreadable, thrownAway: draft.thrownAway };
}

class Walk {
  readonly root = emptyDraft();
  readonly children: [string, Draft][] = [];
  readonly #json: unknown;
  #nodes = 0;

  constructor(json: unknown) {
    this.#json = json;
  }

  branch(branch: Branch, value: unknown, draft: Draft, depth: number): void {
    this.#node(depth);
    if (branch.is === "thrown-away") draft.thrownAway += 1;
    // Not known is not wrong.
    else if (value === null) return;
    else if (branch.is === "leaves") this.#leaves(branch.leaves, value, draft, depth);
    else if (typeof value !== "object") draft.unreadable += 1;
    else this.#tree(branch, value, draft, depth);
  }

  #leaves(leaves: Extract<Branch, { is: "leaves" }>["leaves"], value: unknown, draft: Draft, depth: number): void {
    let taken = false;
    for (const leaf of leaves) if (leaf(value, this.#json, draft)) taken = true;
    if (taken) return;
    draft.unreadable += 1;
    if (typeof value === "object" && value !== null) this.#unnamed(value, depth);
  }

  #tree(branch: Extract<Branch, { is: "tree" }>, value: object, draft: Draft, depth: number): void {
    for (const key in value) {
      const below = (value as Readonly<Record<string, unknown>>)[key];
      const named = branch.keys.get(key);
      if (named !== undefined) this.branch(named, below, draft, depth + 1);
      else if (branch.eachChild !== undefined) this.branch(branch.eachChild, below, this.#childDraft(key), depth + 1);
      else {
        this.#node(depth + 1);
        draft.dropped += 1;
        if (!Array.isArray(value) && isAccountKey(key)) throw new Stop("invalid-payload");
        if (typeof below === "object" && below !== null) this.#unnamed(below, depth + 1);
      }
    }
  }

  #childDraft(alias: string): Draft {
    const draft = emptyDraft();
    this.children.push([alias, draft]);
    if (this.children.length > MOST_MESSAGES) throw new Stop("invalid-payload");
    return draft;
  }

  /** Nothing in it is taken, but account data in it refuses the message. */
  #unnamed(value: object, depth: number): void {
    for (const key in value) {
      this.#node(depth + 1);
      if (!Array.isArray(value) && isAccountKey(key)) throw new Stop("invalid-payload");
      const below = (value as Readonly<Record<string, unknown>>)[key];
      if (typeof below === "object" && below !== null) this.#unnamed(below, depth + 1);
    }
  }

  #node(depth: number): void {
    this.#nodes += 1;
    if (this.#nodes > MOST_NODES || depth > DEEPEST) throw new Stop("invalid-payload");
  }
}
