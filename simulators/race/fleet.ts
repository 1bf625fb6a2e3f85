/**
 * All publishers of a run. Most messages go out in waves, each as fast as acknowledgements allow. The rest is for
 * bursts: a few messages of a device right before its person withdraws, so that every withdrawal meets some in progress.
 */
import { encodePublish, versionOf } from "../../tools/wire/mqtt-wire.ts";
import { eachLimited } from "../concurrency.ts";
import type { Random } from "../random.ts";
import { type RaceDevice, WEATHER } from "./people.ts";
import { Publisher } from "./publisher.ts";
import type { SentMessages } from "./sent-messages.ts";
import type { Telltale } from "./telltale.ts";
import type { Timeline } from "./timeline.ts";

const WINDOW = 8;
const CONNECTS_AT_ONCE = 100;
const STATUS_SHARE = 0.2;
/** Of all messages, those for bursts. */
const BURST_SHARE = 0.25;
const BURST_MESSAGES = 5;
/** Messages of the waves that a device may be ahead of the others: all speak in every wave, or there would be no crowds. */
const MOST_AHEAD = 1;

export interface RaceFleetOptions {
  readonly devices: readonly RaceDevice[];
  readonly timeline: Timeline;
  readonly sent: SentMessages;
  readonly telltale: Telltale;
  readonly random: Random;
  /** Where the device connects to at this moment. */
  portOf(device: number): number;
}

export class RaceFleet {
  readonly #options: RaceFleetOptions;
  readonly #publishers: readonly Publisher[];
  readonly #burstOf: Uint8Array;
  /** Messages of each device that belonged to waves, and how many it may have sent by now. */
  readonly #wavesOf: Uint32Array;
  /** The phase in which a device was last asked for a burst: it is about to withdraw. */
  readonly #endingPhase = new Map<number, number>();
  #wavesMost = 0;
  #bursting: number;
  #released = 0;
  #waves = 0;
  readonly #finished: (() => void)[] = [];

  constructor(options: RaceFleetOptions) {
    this.#options = options;
    this.#burstOf = new Uint8Array(options.devices.length);
    this.#wavesOf = new Uint32Array(options.devices.length);
    this.#bursting = Math.floor(options.sent.limit * BURST_SHARE);
    this.#publishers = options.devices.map(
      ({ id, token }, device) =>
        new Publisher({
          id,
          token,
          window: WINDOW,
          version: versionOf(device),
          port: () => options.portOf(device),
          next: (messageId) => this.#next(device, messageId),
          acknowledged: (n) => options.sent.acknowledged(n),
        }),
    );
  }

  async connect(): Promise<void> {
    await eachLimited(this.#publishers, CONNECTS_AT_ONCE, (publisher) => publisher.start());
  }

  /** Share of the bursts that has been used up. */
  get burstsUsed(): number {
    const all = Math.floor(this.#options.sent.limit * BURST_SHARE);
    return all === 0 ? 1 : 1 - this.#bursting / all;
  }

  /** How often each device speaks in the waves of the whole run. */
  get turns(): number {
    return Math.floor((this.#options.sent.limit * (1 - BURST_SHARE)) / this.#publishers.length);
  }

  /** Lets out this share of the waves, everything before it included. */
  release(share: number): void {
    this.#released = Math.floor(this.#options.sent.limit * (1 - BURST_SHARE) * share);
    this.#wavesMost = Math.ceil(this.#released / this.#publishers.length) + MOST_AHEAD;
    for (const publisher of this.#publishers) publisher.fill();
  }

  /** Lets out whatever is left of the run; resolves once it was sent. */
  async finish(): Promise<void> {
    const { sent } = this.#options;
    this.#burstOf.fill(0);
    this.#bursting = 0;
    this.#released = sent.limit;
    this.#wavesMost = sent.limit;
    for (const publisher of this.#publishers) publisher.fill();
    if (sent.count < sent.limit) await new Promise<void>((resolve) => this.#finished.push(resolve));
  }

  /** A few messages of each of these devices, now. */
  burst(devices: readonly number[]): void {
    for (const device of devices) {
      const count = Math.min(BURST_MESSAGES, this.#bursting);
      this.#bursting -= count;
      this.#burstOf[device] = count;
      this.#endingPhase.set(device, this.#options.timeline.phaseOf(device));
      this.#publishers[device]?.fill();
    }
  }

  resume(devices: readonly number[]): void {
    for (const device of devices) this.#publishers[device]?.resume();
  }

  /** Resolves once these devices are silent and everything they sent was acknowledged. */
  async quiesce(devices: readonly number[]): Promise<void> {
    await Promise.all(devices.map((device) => this.#publishers[device]?.quiesce()));
  }

  get lostConnections(): number {
    return this.#publishers.reduce((sum, { lostConnections }) => sum + lostConnections, 0);
  }

  get repeated(): number {
    return this.#publishers.reduce((sum, { repeated }) => sum + repeated, 0);
  }

  stop(): void {
    for (const publisher of this.#publishers) publisher.stop();
  }

  #next(device: number, messageId: number): { n: number; packet: Buffer } | undefined {
    const { sent, timeline, telltale, devices, random } = this.#options;
    if (!this.#mayGo(device)) return undefined;
    const phase = timeline.phaseOf(device);
    const n = sent.add(device, phase, timeline.current(device).confirmed);
    const alone = random.chance(STATUS_SHARE);
    // In the middle of a crowd stands who is about to withdraw, and who must not be in it at all.
    const middle = this.#endingPhase.get(device) === phase || (timeline.current(device).grants & WEATHER) !== WEATHER;
    const payload = alone ? telltale.status(n, Date.now()) : telltale.telemetry(device, phase, n, Date.now(), middle);
    const topic = `devices/${devices[device]?.id}/${alone ? "status" : "telemetry"}`;
    if (sent.count === sent.limit) for (const resolve of this.#finished.splice(0)) resolve();
    return { n, packet: encodePublish(topic, messageId, Buffer.from(payload), versionOf(device)) };
  }

  #mayGo(device: number): boolean {
    if (this.#options.sent.count >= this.#options.sent.limit) return false;
    const burst = this.#burstOf[device] ?? 0;
    if (burst > 0) {
      this.#burstOf[device] = burst - 1;
      return true;
    }
    const waves = this.#wavesOf[device] ?? 0;
    if (this.#waves >= this.#released || waves >= this.#wavesMost) return false;
    this.#wavesOf[device] = waves + 1;
    this.#waves += 1;
    return true;
  }
}
