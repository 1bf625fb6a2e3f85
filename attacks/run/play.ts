/**
 * Lets the world live: two epochs in slices of the set clock. A slice begins with whatever the gateway does by the clock,
 * then comes what is published in it, and it ends when all of that has been processed.
 */
import { NAME_MS } from "../../simulators/race/names.ts";
import { Random } from "../../simulators/random.ts";
import type { RecordingWriter } from "../recording/files.ts";
import { FORMAT, type Probe, type Run } from "../recording/format.ts";
import { sayingsOfDay } from "../world/day.ts";
import { makeWorld, type WorldDevice } from "../world/world.ts";
import { acknowledgements } from "./acknowledgements.ts";
import { type Act, telemetry } from "./acts.ts";
import { eraseSome } from "./erasures.ts";
import { forecasts } from "./forecasts.ts";
import { Loops } from "./loops.ts";
import { makeProbes } from "./probes.ts";
import { type Connections, connectAll, provision } from "./provision.ts";
import { type GatewayKind, Stage, storedNameMs, storedStepMs } from "./stage.ts";

export interface PlayOptions {
  readonly seed: number;
  readonly homes: number;
  readonly devices: number;
  readonly daysOfEpoch: number;
  readonly sliceMs: number;
  /** On so many days people walk from one cell into the next. */
  readonly walkDays: number;
  readonly erasedHomes: number;
  /** Messages of each class whose acknowledgements are timed. */
  readonly acksOfClass: number;
  readonly gateway: GatewayKind;
  /** For servers and keys; emptied first. */
  readonly dir: string;
  readonly recording: RecordingWriter;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** As the gateway is configured by default; an epoch begins with the 3rd of September 2026, a Thursday. */
const EPOCH_MS = 7 * DAY_MS;
const FIRST_EPOCH = 2957;
const EPOCHS = 2;
/** Provisioning takes minutes of a clock that goes on by itself. */
const BEFORE_MS = HOUR_MS;
const KNOWN_IDS = 20;
/** What commands are for. Beside the world none is given, so that what is tried there stays as it is. */
const LAMP = "bulb";
const STICKINESS = 0.15;
/**
 * When what was counted in the step before is told: its grace and a tick later, and, should another job have been in the way, with the next tick.
 * Shorter slices go on by themselves.
 */
const TOLD_AFTER_MS = [20_000, 40_000];

/** Everything that leaves the gateway is then in the recording, which is closed. */
export async function play(options: PlayOptions): Promise<void> {
  const startsAt = FIRST_EPOCH * EPOCH_MS;
  const { dir, gateway, recording, say } = options;
  const stage = new Stage({ dir, gateway, startsAt: startsAt - BEFORE_MS, recording, say });
  try {
    await stage.start();
    await new Play(options, stage, startsAt).run();
  } finally {
    await stage.stop();
  }
}

class Play {
  readonly #options: PlayOptions;
  readonly #stage: Stage;
  readonly #startsAt: number;
  readonly #energy = new Map<string, { first: number; last: number }>();
  #connections: Connections = new Map();
  #loops: Loops | undefined;
  #messages = 0;

  constructor(options: PlayOptions, stage: Stage, startsAt: number) {
    this.#options = options;
    this.#stage = stage;
    this.#startsAt = startsAt;
  }

  async run(): Promise<void> {
    const { seed, homes, devices, daysOfEpoch, walkDays, recording, say, sliceMs, gateway } = this.#options;
    const random = new Random(seed).fork("play");
    const world = makeWorld({ seed, homes, devices });
    const probes = makeProbes(random.fork("probes"), { seed, walkDays, climate: world.climate });
    const inhabited = [...world.homes, ...probes.homes.map(([home]) => home)];
    say(
      `${inhabited.length} homes, ${inhabited.flatMap((home) => home.devices).length} devices, seed ${seed}, the gateway ${gateway}`,
    );
    await provision(this.#stage, inhabited);
    this.#connections = await connectAll(
      this.#stage,
      inhabited.flatMap((home) => home.devices),
    );
    const lamps = world.devices.filter(({ kind }) => kind.name === LAMP);
    const loops = await Loops.start(this.#stage, this.#connections, lamps);
    this.#loops = loops;
    await this.#tellTruth(world.homes.map((home) => [home, undefined]));
    await this.#tellTruth(probes.homes);

    const days = Array.from({ length: EPOCHS * daysOfEpoch }, (_, day) => day);
    const begun = performance.now();
    for (const day of days) {
      const dayMs = this.#startsAt + Math.floor(day / daysOfEpoch) * EPOCH_MS + (day % daysOfEpoch) * DAY_MS;
      const sayings = sayingsOfDay(world, dayMs, random.fork("day"));
      const ofProbes = probes.actsOf(dayMs, day, random.fork("probes of a day"));
      for (const truth of ofProbes.truth) recording.truth(truth);
      const acts = [...sayings.map(({ device, at, status }) => telemetry(device, at, status)), ...ofProbes.acts];
      await this.#day(dayMs, acts, probes.finely(dayMs, day));
      if (day === 0)
        this.#tellIds(
          sayings.map(({ device }) => device),
          acts,
        );
      const seconds = Math.round((performance.now() - begun) / 1_000);
      say(`day ${day + 1} of ${days.length}: ${this.#messages} messages in ${seconds} s`);
    }
    for (const [device, { first, last }] of this.#energy)
      recording.truth({ about: "energy", device, counted: last - first });

    await forecasts(this.#stage, loops, recording);
    loops.stop(recording);
    await this.#stage.clock.set(this.#startsAt + EPOCHS * EPOCH_MS + 2 * HOUR_MS);
    await acknowledgements(this.#stage, random.fork("acknowledgements"), this.#options);
    await eraseSome(this.#stage, random.fork("erasures"), { ...this.#options, candidates: world.homes });
    const run: Run = {
      format: FORMAT,
      seed,
      homes,
      devices,
      gateway,
      startsAt: this.#startsAt,
      epochMs: EPOCH_MS,
      epochs: EPOCHS,
      storedNameMs: storedNameMs(gateway),
      storedStepMs: storedStepMs(gateway),
      daysOfEpoch,
      sliceMs,
      stickiness: STICKINESS,
    };
    await recording.close(run, await this.#stage.openMetrics());
    for (const connection of this.#connections.values()) connection.close();
  }

  async #day(dayMs: number, unordered: readonly Act[], finely: readonly number[]): Promise<void> {
    const { sliceMs, signal } = this.#options;
    const acts = [...unordered].sort((left, right) => left.at - right.at);
    const even = Array.from({ length: Math.ceil(DAY_MS / sliceMs) }, (_, index) => dayMs + index * sliceMs);
    const bounds = [...new Set([...even, ...finely, dayMs + DAY_MS])].sort((left, right) => left - right);
    let next = 0;
    for (const [index, end] of bounds.entries()) {
      if (index === 0) continue;
      signal.throwIfAborted();
      const begin = bounds[index - 1] ?? end;
      await this.#stage.clock.set(begin);
      for (const afterMs of TOLD_AFTER_MS) if (begin + 2 * afterMs < end) await this.#stage.clock.set(begin + afterMs);
      const from = next;
      while ((acts[next]?.at ?? Number.POSITIVE_INFINITY) < end) next += 1;
      if (next === from) continue;
      await this.#stage.clock.set(end - 1, false);
      await Promise.all(acts.slice(from, next).map((act) => this.#publish(act)));
      await this.#loops?.settled();
    }
  }

  async #publish({ device, payload }: Act): Promise<void> {
    this.#messages += 1;
    const energy = (payload.status as { energy?: number } | undefined)?.energy;
    if (energy !== undefined && device.kind.name !== "hub") {
      const counted = this.#energy.get(device.id);
      if (counted === undefined) this.#energy.set(device.id, { first: energy, last: energy });
      else counted.last = energy;
    }
    await this.#connections.get(device)?.publish(payload);
  }

  async #tellTruth(homes: readonly (readonly [WorldDevice["home"], Probe | undefined])[]): Promise<void> {
    const from = this.#startsAt;
    const until = from + (EPOCHS + 1) * EPOCH_MS - 1;
    const nameMs = { ...NAME_MS, analytics: storedNameMs(this.#options.gateway) };
    for (const [{ subject, devices, place }, probe] of homes) {
      const ids = devices.map(({ id }) => id);
      const names = await this.#stage.names.between(subject, ids, [from, until], nameMs);
      for (const { id, kind } of devices) {
        this.#options.recording.truth({
          about: "device",
          device: id,
          home: subject,
          kind: kind.name,
          outdoor: kind.outdoor === true,
          ...place,
          ...(probe && { probe }),
          names: names.get(id) ?? {},
        });
      }
    }
  }

  /** What someone may have who reads along at home: some ids of messages of the first day. */
  #tellIds(devices: readonly WorldDevice[], acts: readonly Act[]): void {
    const ids = new Map<WorldDevice, string[]>(devices.map((device) => [device, []]));
    for (const { device, payload } of acts) ids.get(device)?.push(String(payload.id));
    for (const [device, all] of ids) {
      this.#options.recording.truth({ about: "ids", device: device.id, ids: all.slice(0, KNOWN_IDS) });
    }
  }
}
