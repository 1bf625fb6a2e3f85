/** The scene service: rules over what devices say, carried out as commands. It knows them by pseudonyms that end with their epoch. */
import { randomBytes } from "node:crypto";
import { BoundedMap } from "./bounded-map.ts";
import { Epoch } from "./epoch.ts";
import { type Command, fire } from "./firing.ts";
import { Homes } from "./homes.ts";
import { OutcomeMessage, read, SceneMessage } from "./messages.ts";
import { looksAtSun, type Rule } from "./rules.ts";
import type { Send, Service } from "./service.ts";
import { type Place, sunAt } from "./sun.ts";

const MAX_DEVICES = 100_000;
const MAX_WAITING = 10_000;
/** Kinds of outcomes that are counted by name. */
const MAX_OUTCOMES = 32;
/** A lamp that goes on a minute later startles. */
const EXPIRES_S = 10;

export interface SceneOptions {
  readonly rules: readonly Rule[];
  readonly place: Place | undefined;
  readonly epochDays: number;
  readonly now?: () => number;
}

export class SceneService implements Service {
  readonly purpose = "scene";
  readonly alsoHears = ["commands/+/+/outcome"];
  readonly about: string;
  readonly #rules: readonly Rule[];
  readonly #place: Place | undefined;
  readonly #now: () => number;
  readonly #epoch: Epoch;
  readonly #homes = new Homes(MAX_DEVICES);
  /** Correlations of commands whose outcome was not told yet. */
  readonly #waiting = new BoundedMap<string, true>(MAX_WAITING);
  readonly #outcomes = new Map<string, number>();
  readonly #counts = { commands: 0, notSent: 0, cooling: 0, chainsEnded: 0, epochsEnded: 0 };

  constructor({ rules, place, epochDays, now = Date.now }: SceneOptions) {
    const dark = rules.find(looksAtSun);
    if (dark !== undefined && place === undefined)
      throw new Error(`the rule "${dark.name}" asks for the sun: say where, with --lat and --lon`);
    this.#rules = rules;
    this.#place = place;
    this.#now = now;
    this.#epoch = new Epoch(epochDays);
    this.about = `${rules.length} rules`;
  }

  heard(topic: string, payload: Buffer, send: Send): boolean {
    if (topic.startsWith("commands/")) return this.#outcome(payload);
    const message = read(SceneMessage, payload);
    if (message === undefined || topic !== `processed/scene/${message.device}`) return false;
    const now = this.#now();
    this.#endOf(now);
    const sun = this.#place && sunAt(now, this.#place);
    const { commands, cooling, chainsEnded } = fire(this.#rules, message, this.#homes, { now, sun });
    this.#counts.cooling += cooling;
    this.#counts.chainsEnded += chainsEnded;
    for (const command of commands) void this.#command(command, send);
    return true;
  }

  tick(now: number): void {
    this.#endOf(now);
  }

  forget(names: readonly string[]): void {
    for (const name of names) this.#homes.forget(name);
  }

  counts() {
    const outcomes = Object.fromEntries(this.#outcomes);
    return { rules: this.#rules.length, devices: this.#homes.size, ...this.#counts, outcomes };
  }

  async #command({ device, name, value, cause }: Command, send: Send): Promise<void> {
    const correlation = randomBytes(9).toString("base64url");
    this.#waiting.set(correlation, true);
    if (await send(`commands/${device}/${name}`, { value, correlation, cause }, EXPIRES_S)) this.#counts.commands += 1;
    else this.#counts.notSent += 1;
  }

  /** Told to every connection of the service, and known to the process that sent the command. */
  #outcome(payload: Buffer): boolean {
    const message = read(OutcomeMessage, payload);
    if (message === undefined) return false;
    const { outcome, correlation } = message;
    if (correlation === undefined || !this.#waiting.delete(correlation)) return true;
    if (this.#outcomes.size < MAX_OUTCOMES || this.#outcomes.has(outcome))
      this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
    return true;
  }

  #endOf(now: number): void {
    if (!this.#epoch.hasChanged(now)) return;
    this.#homes.clear();
    this.#counts.epochsEnded += 1;
  }
}
