/** The network service: finds names that are no longer told, and lines on which many are not, and has the devices told. */
import { Epoch } from "./epoch.ts";
import { NetworkMessage, read } from "./messages.ts";
import type { Listening, Service } from "./service.ts";
import { type Finding, Silence, type SilenceOptions } from "./silence.ts";

const MAX_NAMES = 200_000;
/** With one look. The others follow with the next. */
const MAX_NOTICES = 200;
const EXPIRES_S = 600;

export interface NetworkOptions extends Omit<SilenceOptions, "maxNames"> {
  readonly checkEveryMs: number;
  readonly epochDays: number;
  readonly now?: () => number;
}

export class NetworkService implements Service {
  readonly purpose = "network";
  readonly alsoHears = [];
  readonly about: string;
  readonly #options: NetworkOptions;
  readonly #now: () => number;
  readonly #epoch: Epoch;
  readonly #silence: Silence;
  readonly #counts = { unreachable: 0, outage: 0, notSent: 0, epochsEnded: 0 };
  #checkedAt = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#epoch = new Epoch(options.epochDays);
    this.#silence = new Silence({ ...options, maxNames: MAX_NAMES });
    this.about = `a name is silent after ${options.silentAfterMs / 1_000} s`;
  }

  heard(topic: string, payload: Buffer): boolean {
    const message = read(NetworkMessage, payload);
    if (message === undefined || topic !== `processed/network/${message.device}`) return false;
    const now = this.#now();
    this.#endOf(now);
    this.#silence.heard(message.device, message.ipPrefix, now);
    return true;
  }

  tick(now: number, { send, since }: Listening): void {
    this.#endOf(now);
    // What was not heard because a connection was away says nothing.
    if (since === undefined || now - this.#checkedAt < this.#options.checkEveryMs) return;
    this.#checkedAt = now;
    for (const { name, type, since: from, prefix } of this.#silence.findings(now, since, MAX_NOTICES)) {
      const notice = { type, since: from, ...(prefix !== undefined && { prefix }) };
      void send(`network/${name}`, notice, EXPIRES_S).then((sent) => this.#count(sent ? type : "notSent"));
    }
  }

  forget(names: readonly string[]): void {
    for (const name of names) this.#silence.forget(name);
  }

  counts() {
    return { names: this.#silence.size, linesOut: this.#silence.linesOut, ...this.#counts };
  }

  #count(what: Finding["type"] | "notSent"): void {
    this.#counts[what] += 1;
  }

  #endOf(now: number): void {
    if (!this.#epoch.hasChanged(now)) return;
    this.#silence.clear();
    this.#counts.epochsEnded += 1;
  }
}
