/**
 * One run from the first device to the last reconciled figure: provision, subscribe, publish, attack,
 * withdraw in the middle, drain, compare. Demo, command line and tests differ only in what they plug in.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { SERVICE_PURPOSES, type ServicePurpose } from "../src/model/purposes.ts";
import type { AccountService } from "../tools/stack/account-service.ts";
import { booksBetween, type GatewayBooks, readBooks } from "../tools/stack/books.ts";
import { packetBytes, type ServiceCredential, ServiceSubscriber } from "../tools/wire/service-subscriber.ts";
import type { Canary } from "./canary-forms.ts";
import { eventually } from "./concurrency.ts";
import { checkWeather } from "./crowd-check.ts";
import { type DialectReport, dialectDevices, dialectSamples } from "./dialect-rows.ts";
import { DRAIN_TIMEOUT_MS, drained } from "./drained.ts";
import { Eavesdropper, type EavesdropResult } from "./eavesdropper.ts";
import type { SimulatedDialect } from "./firmware/firmwares.ts";
import { DIALECT_STANDINGS } from "./firmware/homes.ts";
import { Fleet, householdCanaries } from "./fleet.ts";
import { type AttackResult, runAttacks } from "./hostile-attacks.ts";
import { checkNetwork } from "./network-check.ts";
import { makePopulation, type Population, type Standing } from "./population.ts";
import { provision, withdrawAll } from "./provisioning.ts";
import { reconcile } from "./reconcile.ts";
import { hasArrived, percentile, SentLog } from "./sent-log.ts";
import { deviceCanaries } from "./speaker.ts";
import { readStoredRows, type StoredRows, unnumberedRows } from "./stored-rows.ts";

export interface SimulationOptions {
  readonly mqttUrl: string;
  /** Without it devices are not provisioned, and only acknowledgements can be compared: any broker will do. */
  readonly api?: AccountService | undefined;
  readonly influx?: { readonly url: string; readonly database: string } | undefined;
  readonly services: Partial<Record<ServicePurpose, ServiceCredential>>;
  readonly devices: number;
  /** Messages per second, over all devices. */
  readonly rate: number;
  readonly durationMs: number;
  readonly seed: number;
  /** Attack while the fleet publishes. */
  readonly hostile: boolean;
  /** Steps of the gateway are so short that the run can wait for what is told at them: the weather, and what the network hears. */
  readonly awaitsSteps?: boolean;
  /** Services answer what devices say, and the run waits for it: for forecasts, and for commands. */
  readonly loops?: boolean;
  /** Of the policy that people consent to; 1 unless given. */
  readonly policyVersion?: number;
  /** People who withdraw do so this far into the run. */
  readonly withdrawAfterMs: number;
  /** Homes whose devices speak these, beside `devices` that speak the gateway's own contract. */
  readonly dialects?: readonly SimulatedDialect[];
  /** One home of each dialect for each of these; by default all that differ. */
  readonly dialectStandings?: readonly Standing[];
  readonly firstSeq?: number;
  /** Reconnect and resend after a lost connection, for runs in which the gateway is killed; its books are then not compared. */
  readonly reconnect?: boolean;
}

export interface SimulationReport {
  readonly published: number;
  readonly acknowledged: number;
  readonly elapsedMs: number;
  readonly pubackMs: { readonly p50: number; readonly p99: number };
  readonly books: GatewayBooks | undefined;
  readonly stored: StoredRows | undefined;
  readonly arrived: Partial<Record<ServicePurpose, number>>;
  readonly withdrawals: { readonly people: number; readonly slowestMs: number };
  readonly attacks: readonly AttackResult[];
  readonly eavesdropping: readonly EavesdropResult[];
  /** Absent when no device speaks one, or the store cannot be asked. */
  readonly dialects?: DialectReport | undefined;
  /** What does not add up, one sentence each. */
  readonly problems: readonly string[];
}

/** Consents that run out do so this long after they are given, before the first message is sent. */
const SHORT_LIFE_MS = 5_000;
const WINDOW = 16;
const STEPS_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 20_000;

export class Simulation {
  readonly population: Population;
  readonly log: SentLog;
  readonly #options: SimulationOptions;
  readonly #attackers: Population;
  readonly #subscribers: ServiceSubscriber[];
  readonly #eavesdropper: Eavesdropper | undefined;
  readonly #fleet: Fleet;
  readonly #listening: ReadonlySet<ServicePurpose>;
  #before: GatewayBooks | undefined;
  #attacks: AttackResult[] = [];
  #elapsedMs = 0;
  /** In the store, without a number. */
  #rowsBefore: Awaited<ReturnType<typeof unnumberedRows>> = [];

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.log = new SentLog(options.firstSeq);
    const { dialects = [], dialectStandings: standings = DIALECT_STANDINGS } = options;
    this.population = makePopulation(options.seed, options.devices, { dialects, standings });
    this.#attackers = makePopulation(options.seed ^ 0x5eed, 1);
    const { services, mqttUrl } = options;
    this.#subscribers = SERVICE_PURPOSES.flatMap((purpose) => {
      const credential = services[purpose];
      return credential === undefined ? [] : [new ServiceSubscriber(mqttUrl, purpose, credential)];
    });
    this.#eavesdropper =
      options.hostile && services.weather !== undefined
        ? new Eavesdropper(mqttUrl, "weather", services.weather)
        : undefined;
    this.#listening = new Set(this.#subscribers.map(({ purpose }) => purpose));
    const { rate, reconnect = false } = options;
    this.#fleet = new Fleet(
      this.population,
      { url: mqttUrl, rate, window: WINDOW, listening: this.#listening, reconnect },
      this.log,
    );
  }

  /** Provisions and connects all devices; afterwards nothing has been published yet. */
  async prepare(): Promise<void> {
    const { api, influx } = this.#options;
    let expiredAt = 0;
    const speaksDialects = this.population.dialectHomes.length > 0;
    if (influx !== undefined && speaksDialects) {
      this.#rowsBefore = await unnumberedRows(influx.url, influx.database);
    }
    if (api === undefined) {
      for (const peer of [...this.population.devices, ...this.population.dialectHomes])
        peer.token = randomBytes(32).toString("base64url");
    } else {
      this.#before = readBooks(await api.metrics());
      const given = { shortLifeMs: SHORT_LIFE_MS, policyVersion: this.#options.policyVersion ?? 1 };
      expiredAt = await provision(api, this.population, given);
      expiredAt = Math.max(expiredAt, await provision(api, this.#attackers, given));
    }
    for (const subscriber of this.#subscribers) await subscriber.start();
    await this.#eavesdropper?.start();
    // Some devices are spoken for as soon as they are there.
    if (api !== undefined) await eventually(() => Date.now() > expiredAt, SHORT_LIFE_MS + 1_000);
    await this.#fleet.connect();
  }

  /** Publishes for the whole duration, or until the signal; attacks and withdrawals run alongside. */
  async run(signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    await Promise.all([
      this.#fleet.run(this.#options.durationMs, signal),
      this.#attack(signal),
      this.#withdraw(signal),
    ]);
    this.#elapsedMs = performance.now() - startedAt;
    await this.#fleet.settle(DRAIN_TIMEOUT_MS);
    if (this.#options.loops === true) await eventually(() => this.log.loops.open === 0, ANSWER_TIMEOUT_MS);
    await this.#fleet.vanish();
  }

  /** Waits until nothing is in flight, then compares all accounts. */
  async report(): Promise<SimulationReport> {
    const { api, influx } = this.#options;
    const least = (this.#before?.received ?? 0) + this.log.count(hasArrived);
    let after = api === undefined ? undefined : await drained(api, this.#fleet, least);
    const weather = this.#subscribers.find(({ purpose }) => purpose === "weather");
    const network = this.#subscribers.find(({ purpose }) => purpose === "network");
    const awaitsSteps = api !== undefined && this.#options.awaitsSteps === true;
    const networkProblems = () => checkNetwork(this.log, network?.packets ?? [], awaitsSteps && network !== undefined);
    if (awaitsSteps) {
      await eventually(() => (weather?.packets.length ?? 0) > 0 && networkProblems().length === 0, STEPS_TIMEOUT_MS);
      const isForecast = () => this.log.loops.forecasts.length > 0;
      if (this.#options.loops === true) await eventually(isForecast, ANSWER_TIMEOUT_MS);
      after = readBooks(await api.metrics());
    }
    // A gateway that was killed has begun new books.
    const comparable = this.#options.reconnect !== true;
    const books = comparable ? after && this.#before && booksBetween(this.#before, after) : undefined;
    if (books !== undefined) {
      await eventually(
        () => this.#subscribers.every(({ purpose, packets }) => packets.length >= books.forwarded[purpose]),
        ANSWER_TIMEOUT_MS,
      );
    }
    await this.#eavesdropper?.collect();
    const speaksDialects = this.population.dialectHomes.length > 0;
    const run = { fromSeq: this.log.firstSeq, unnumberedBefore: speaksDialects ? this.#rowsBefore : undefined };
    const stored = influx && (await readStoredRows(influx.url, influx.database, run));
    const arrived = Object.fromEntries(this.#subscribers.map(({ purpose, packets }) => [purpose, packets.length]));
    const problems = [
      ...reconcile({ log: this.log, books, stored, arrived }),
      ...checkWeather(this.population, weather?.packets ?? []),
      ...networkProblems(),
    ];
    const waits = this.population.households.flatMap(({ withdrawal }) => withdrawal?.waitedMs ?? []);
    return {
      published: this.log.count(({ spoken }) => spoken?.byGateway !== true) + this.log.uncertain,
      acknowledged: this.log.acknowledgedCount,
      elapsedMs: this.#elapsedMs,
      pubackMs: { p50: percentile(this.log.pubackMs, 0.5), p99: percentile(this.log.pubackMs, 0.99) },
      books,
      stored,
      arrived,
      withdrawals: { people: waits.length, slowestMs: Math.max(0, ...waits) },
      attacks: this.#attacks,
      eavesdropping: this.#eavesdropper?.results ?? [],
      dialects: stored && speaksDialects ? this.#dialectReport(stored) : undefined,
      problems: [...problems, ...this.#misbehaviour()],
    };
  }

  async stop(): Promise<void> {
    await this.#fleet.stop();
    await this.#eavesdropper?.leave();
    for (const subscriber of this.#subscribers) await subscriber.stop();
  }

  /** Everything personal or secret that was sent in this run. */
  canaries(): Canary[] {
    const credentials = Object.values(this.#options.services).map(
      ({ token }): Canary => ({ kind: "service-token", value: token }),
    );
    return [
      ...householdCanaries(this.population),
      ...this.#fleet.canaries,
      ...householdCanaries(this.#attackers),
      ...this.#attackers.devices.flatMap(deviceCanaries),
      ...credentials,
      ...this.log.canaries,
    ];
  }

  /** Every packet that any subscriber of this run saw. */
  packets(): Record<string, Buffer> {
    const seen = this.#subscribers.map(
      ({ purpose, packets }) => [`packets of the ${purpose} service`, packetBytes(packets)] as const,
    );
    const overheard = packetBytes(this.#eavesdropper?.packets ?? []);
    return { ...Object.fromEntries(seen), "packets of the eavesdropper": overheard };
  }

  async #attack(signal: AbortSignal): Promise<void> {
    const [attacker] = this.#attackers.devices;
    const victim = this.population.devices.find(({ household }) => household.standing === "consenting");
    if (!this.#options.hostile || attacker === undefined || victim === undefined) return;
    this.#attacks = await runAttacks(
      { url: this.#options.mqttUrl, attacker, victim, log: this.log, listening: this.#listening },
      signal,
    );
  }

  async #withdraw(signal: AbortSignal): Promise<void> {
    const { api, withdrawAfterMs, durationMs } = this.#options;
    await pause(Math.min(withdrawAfterMs, durationMs), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    // Gone, but with a session left behind for which the broker might queue.
    await this.#eavesdropper?.leave();
    if (api === undefined) return;
    await withdrawAll(
      api,
      this.population.households.filter(({ standing }) => standing === "withdrawing"),
    );
  }

  #dialectReport({ unnumbered }: StoredRows): DialectReport {
    return { ...dialectDevices(this.log, unnumbered), samples: dialectSamples(this.log, unnumbered) };
  }

  #misbehaviour(): string[] {
    const { lostConnections, denied } = this.#fleet;
    return [
      ...this.#attacks.filter(({ held }) => !held).map(({ name, outcome }) => `attack "${name}" ended in ${outcome}`),
      ...(this.#eavesdropper?.results ?? [])
        .filter(({ answer }) => answer === "granted")
        .map(({ filters }) => `an eavesdropper was granted ${filters.join(" and ")}`),
      ...(denied > 0 ? [`${denied} devices were not granted what their firmware subscribes to`] : []),
      ...(lostConnections > 0 && this.#options.reconnect !== true
        ? [`${lostConnections} devices lost their connection`]
        : []),
    ];
  }
}
