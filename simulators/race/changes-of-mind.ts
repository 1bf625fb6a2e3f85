/**
 * What people do during a race: withdraw, consent again, have themselves erased, over HTTP. Only what was
 * answered counts as promised; an unanswered request is repeated until it is answered.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ErasureStatus } from "../../src/model/erasure.ts";
import type { AccountService } from "../../tools/stack/account-service.ts";
import type { Random } from "../random.ts";
import { type Answered, untilAnswered } from "../until-answered.ts";
import type { RaceFleet } from "./fleet.ts";
import { untilTold } from "./late-tellings.ts";
import type { Listeners } from "./listeners.ts";
import type { Names } from "./names.ts";
import {
  ALL_GRANTS,
  ANALYTICS,
  consentToEverything,
  makeWithdrawal,
  type RaceDevice,
  type RacePerson,
} from "./people.ts";
import type { Snapshots } from "./snapshots.ts";
import type { StoreView } from "./store-view.ts";
import type { Tally } from "./tally.ts";
import { MAX_PHASES } from "./telltale.ts";
import type { Timeline } from "./timeline.ts";
import type { Judge } from "./verdict.ts";

export interface ChangesOfMindOptions {
  readonly people: readonly RacePerson[];
  readonly random: Random;
  readonly api: AccountService;
  readonly timeline: Timeline;
  readonly fleet: RaceFleet;
  readonly listeners: Listeners;
  readonly names: Names;
  readonly store: StoreView;
  readonly snapshots: Snapshots;
  readonly judge: Judge;
  readonly tally: Tally;
  /** People who act at the same time. */
  readonly concurrency: number;
  /** Erasures in progress at the same time. */
  readonly erasures: number;
}

const NOBODY_FREE_MS = 50;
const POLL_MS = 150;
const ERASURE_SHARE = 0.15;
const AT_ONCE_AGAIN_SHARE = 0.4;
const CONSENT_AGAIN_SHARE = 0.75;
const THINK_MS = 300;
const HEAD_START_MS = 60;
/** Of the requests, those that come while the weather in which their people are is about to be told. */
const AT_TELLING_SHARE = 0.5;
const AROUND_TELLING_MS = 250;
const ERASURE_DEADLINE_MS = 120_000;

export class ChangesOfMind {
  readonly #options: ChangesOfMindOptions;
  readonly #free: RacePerson[];
  readonly #erasing = new Set<Promise<void>>();
  #stopping = false;
  /** However short the run, at least one person is erased in it. */
  #erasedAnybody = false;
  #fault: unknown;

  constructor(options: ChangesOfMindOptions) {
    this.#options = options;
    this.#free = options.people.filter(({ steady }) => !steady);
  }

  /** Until `stop`; then everything begun is brought to its end. Rejects with the first fault. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.concurrency }, () => this.#act()));
    await Promise.all(this.#erasing);
    if (this.#fault !== undefined) throw this.#fault;
  }

  stop(): void {
    this.#stopping = true;
  }

  async #act(): Promise<void> {
    const { random, erasures } = this.#options;
    while (!this.#stopping) {
      const person = this.#take();
      if (person === undefined) {
        await sleep(NOBODY_FREE_MS);
        continue;
      }
      if (this.#erasing.size < erasures && (!this.#erasedAnybody || random.chance(ERASURE_SHARE))) {
        this.#eraseBeside(person);
        continue;
      }
      await this.#withdraw(person);
      await sleep(random.int(THINK_MS));
      if (this.#hasNothingLeft(person) || random.chance(CONSENT_AGAIN_SHARE)) await this.#consentAgain(person);
      this.#free.push(person);
    }
  }

  /** An erasure takes seconds; others go on meanwhile. */
  #eraseBeside(person: RacePerson): void {
    this.#erasedAnybody = true;
    const erasure = this.#erase(person)
      .then(() => void this.#free.push(person))
      .catch((error: unknown) => {
        this.#fault ??= error;
        this.stop();
      })
      .finally(() => this.#erasing.delete(erasure));
    this.#erasing.add(erasure);
  }

  async #withdraw(person: RacePerson): Promise<void> {
    const { random, api, timeline, listeners, names, store, snapshots, judge, tally } = this.#options;
    const { kind, body, devices, lost } = makeWithdrawal(random, person);
    const indexes = devices.map(({ index }) => index);
    await this.#sendSomething(indexes);
    const { durationMs } = await this.#answered(() => api.withdraw(person.subject, body));
    timeline.close(indexes, lost);
    tally.withdrawn(kind, durationMs);
    const passed = listeners.pass();
    if ((lost & ANALYTICS) !== 0) {
      const askedAt = performance.now();
      const view = await store.read(person.names);
      tally.snapshotMs.push(performance.now() - askedAt);
      for (const index of indexes) {
        snapshots.add(index, timeline.phaseOf(index), view, (name) => names.ownerOf(name) === index);
      }
      // By the end a place may have been overwritten, and a row erased, that should not have been there now.
      judge.rows(view);
    }
    await passed;
  }

  /** So that there is something in progress, in whatever stage, when the request arrives. */
  async #sendSomething(devices: readonly number[]): Promise<void> {
    const { fleet, random } = this.#options;
    fleet.burst(devices);
    const atTelling = random.chance(AT_TELLING_SHARE);
    await sleep(atTelling ? untilTold(Date.now()) + random.int(AROUND_TELLING_MS) : random.int(HEAD_START_MS));
  }

  /** Silent first: what was sent before the request must not count as sent after it. */
  async #consentAgain(person: RacePerson): Promise<void> {
    const { api, timeline, fleet, names, store, judge, random, tally } = this.#options;
    const some = random.chance(0.25) ? [random.pick(person.devices)] : undefined;
    const devices: readonly RaceDevice[] = some ?? person.devices;
    const indexes = devices.map(({ index }) => index);
    await fleet.quiesce(indexes);
    // What came late may be overwritten from here on.
    judge.rows(await store.read(person.names));
    timeline.open(indexes, ALL_GRANTS);
    fleet.resume(indexes);
    await this.#answered(() => api.consent(person.subject, consentToEverything(some)));
    timeline.confirm(indexes);
    person.names = await names.learn(person.subject, person.devices);
    tally.reconsents += 1;
  }

  async #erase(person: RacePerson): Promise<void> {
    const { random, api, timeline, listeners, store, judge, tally } = this.#options;
    const { subject, names: oldNames } = person;
    const path = "/v1/subjects/{subject}/erasures";
    await this.#sendSomething(person.devices.map(({ index }) => index));
    const { answer } = await this.#answered(() => api.call("POST", path, [subject], {}));
    const { id } = answer as { id: string };
    const phases = timeline.beginErasure(person.devices.map(({ index }) => index));
    person.names = [];
    const again = random.chance(AT_ONCE_AGAIN_SHARE);
    const consenting = again ? this.#consentAgain(person) : Promise.resolve();
    const erasureMs = await this.#completed(id);
    timeline.completeErasure(phases);
    const passed = listeners.pass();
    const left = await store.read(oldNames);
    judge.rows(left);
    tally.erased(erasureMs, left.statuses.length + left.locations.length);
    await Promise.all([passed, consenting]);
    if (!again) await this.#consentAgain(person);
  }

  /** From request to receipt, by the receipt. */
  async #completed(id: string): Promise<number> {
    const deadline = performance.now() + ERASURE_DEADLINE_MS;
    for (;;) {
      const { answer } = await this.#answered(() => this.#options.api.call("GET", "/v1/erasures/{id}", [id]));
      const { completedAt, requestedAt } = answer as Pick<ErasureStatus, "completedAt" | "requestedAt">;
      if (completedAt !== undefined) return completedAt - requestedAt;
      if (performance.now() > deadline) throw new Error("an erasure was not completed in time");
      await sleep(POLL_MS);
    }
  }

  #answered<T>(request: () => Promise<T>): Promise<Answered<T>> {
    return untilAnswered(request, (status) => this.#options.tally.retried(status));
  }

  #hasNothingLeft(person: RacePerson): boolean {
    return person.devices.every(({ index }) => this.#options.timeline.current(index).grants === 0);
  }

  /** A person no one acts for at the moment, and who has phases left. */
  #take(): RacePerson | undefined {
    const { random, timeline } = this.#options;
    if (this.#free.length === 0) return undefined;
    const [person] = this.#free.splice(random.int(this.#free.length), 1);
    const used = Math.max(...(person?.devices ?? []).map(({ index }) => timeline.phaseOf(index)));
    return used < MAX_PHASES - 10 ? person : undefined;
  }
}
