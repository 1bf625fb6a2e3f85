/**
 * One walk over a payload along the table of its rule, without recursion into what no line names: that is only searched for account
 * data. What a payload may hold is bounded by the number of its parts and their depth.
 */
import type { DropReason } from "../model/outcome.ts";
import { isAccountKey, kindOfKey } from "../vocabulary/key-words.ts";
import type { Branch } from "./compile.ts";
import { type Draft, emptyDraft } from "./leaf.ts";

/** A part was left out. `path`: where in the dialect's table or in the vocabulary, for a part that one of them names. */
export type TellDropped = (why: DropReason, rule: number, path?: string) => void;

const MOST_NODES = 512;
const DEEPEST = 6;

/** Thrown by the walk: nothing of the payload is taken. `account`: because of account data. */
export class NotTaken extends Error {
  readonly account: boolean;
  constructor(account: boolean) {
    super("not to be taken");
    this.account = account;
  }
}

export class Walk {
  /** Of the device that the topic or a path names, or of the sender. */
  readonly root = emptyDraft();
  /** By alias, whether anybody is registered under it or not. */
  readonly children: [string, Draft][] = [];
  readonly #json: unknown;
  readonly #rule: number;
  readonly #dropped: TellDropped;
  #nodes = 0;

  constructor(json: unknown, rule: number, dropped: TellDropped) {
    this.#json = json;
    this.#rule = rule;
    this.#dropped = dropped;
  }

  tell(why: DropReason, path?: string): void {
    this.#dropped(why, this.#rule, path);
  }

  branch(branch: Branch, value: unknown, draft: Draft, depth: number): void {
    this.#node(depth);
    if (branch.is === "thrown-away") draft.thrownAway += 1;
    // Not known is not wrong.
    else if (value === null) return;
    else if (branch.is === "leaves") this.#leaves(branch, value, draft, depth);
    else if (typeof value !== "object") this.#unreadable(draft, "not-a-word");
    else this.#tree(branch, value, draft, depth);
  }

  #leaves(branch: Extract<Branch, { is: "leaves" }>, value: unknown, draft: Draft, depth: number): void {
    let taken = false;
    for (const leaf of branch.leaves) if (leaf(value, this.#json, draft)) taken = true;
    if (taken) return;
    this.#unreadable(draft, branch.unreadable, branch.path);
    if (typeof value === "object" && value !== null) this.#unnamed(value, depth);
  }

  #unreadable(draft: Draft, why: DropReason, path?: string): void {
    draft.unreadable += 1;
    this.tell(why, path);
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
        const kind = Array.isArray(value) ? undefined : kindOfKey(key);
        if (kind === "account") throw new NotTaken(true);
        this.tell(kind ?? "unknown");
        if (typeof below === "object" && below !== null) this.#unnamed(below, depth + 1);
      }
    }
  }

  #childDraft(alias: string): Draft {
    const draft = emptyDraft();
    this.children.push([alias, draft]);
    return draft;
  }

  /** Nothing in it is taken, but account data in it refuses the message. */
  #unnamed(value: object, depth: number): void {
    for (const key in value) {
      this.#node(depth + 1);
      if (!Array.isArray(value) && isAccountKey(key)) throw new NotTaken(true);
      const below = (value as Readonly<Record<string, unknown>>)[key];
      if (typeof below === "object" && below !== null) this.#unnamed(below, depth + 1);
    }
  }

  #node(depth: number): void {
    this.#nodes += 1;
    if (this.#nodes > MOST_NODES || depth > DEEPEST) throw new NotTaken(false);
  }
}
