/** What publishes on one connection of the fleet, whatever it speaks. */
import type { IClientOptions } from "mqtt";
import type { ServicePurpose } from "../src/model/purposes.ts";
import type { Canary } from "./canary-forms.ts";
import { expectationOf } from "./expectation.ts";
import { type ComposedMessage, composeMessage } from "./messages.ts";
import type { SimulatedDevice } from "./population.ts";
import type { Random } from "./random.ts";
import type { SentLog, SentMessage } from "./sent-log.ts";

export interface Outgoing {
  /** In the log already. */
  readonly message: SentMessage;
  readonly retain: boolean;
  /** What in it must never be found again. */
  readonly canaries: readonly Canary[];
}

export interface Speaker {
  /** Of the device whose connection it is. */
  readonly id: string;
  readonly login: IClientOptions;
  /** What it asks for before it says anything. */
  readonly subscriptions: readonly string[];
  /** What of it is known before anything is said, and must never be found again. */
  readonly canaries: readonly Canary[];
  /** Whether its connection is lost at the end, with a will to tell. */
  readonly leavesWithoutWord: boolean;
  connected(): void;
  start(): readonly Outgoing[];
  next(): Outgoing;
  /** A packet has reached its connection: what it says to that. */
  told(topic: string, payload: string): readonly Outgoing[];
  vanished(): void;
}

const QOS_SHARES = [
  [1, 92],
  [0, 4],
  [2, 4],
] as const;

/** A device that speaks the gateway's own contract. */
export class NativeSpeaker implements Speaker {
  readonly id: string;
  readonly subscriptions: readonly string[];
  readonly leavesWithoutWord = false;
  readonly #device: SimulatedDevice;
  readonly #listening: ReadonlySet<ServicePurpose>;
  readonly #log: SentLog;
  readonly #random: Random;
  readonly #timed: boolean;

  /** `timed`: messages carry their time, so that one that is sent again is known. `random` is the fleet's. */
  constructor(
    device: SimulatedDevice,
    options: { readonly listening: ReadonlySet<ServicePurpose>; readonly timed: boolean; readonly random: Random },
    log: SentLog,
  ) {
    this.id = device.id;
    this.subscriptions = [`devices/${device.id}/notices/weather`];
    this.#device = device;
    this.#listening = options.listening;
    this.#timed = options.timed;
    this.#random = options.random;
    this.#log = log;
  }

  get login(): IClientOptions {
    return { clientId: this.id, username: this.id, password: this.#device.token };
  }

  get canaries(): readonly Canary[] {
    return deviceCanaries(this.#device);
  }

  connected(): void {}

  start(): readonly Outgoing[] {
    return [];
  }

  next(): Outgoing {
    const { household } = this.#device;
    const sentAt = Date.now();
    const seq = this.#log.nextSeq();
    const { topic, payload, part, traceable, raw } = composeMessage(this.#device, seq, sentAt, this.#timed);
    const qos = this.#random.weighted<0 | 1 | 2>(QOS_SHARES);
    const expectation = expectationOf(household, part, this.#listening);
    const { standing } = household;
    const message: SentMessage = { seq, standing, part, qos, topic, payload, traceable, expectation, sentAt };
    this.#log.add(message);
    return { message, retain: false, canaries: rawCanaries(raw) };
  }

  /** It is given nothing but forecasts. */
  told(topic: string, payload: string): readonly Outgoing[] {
    this.#log.loops.forecasts.push({ device: this.#device, topic, payload });
    return [];
  }

  vanished(): void {}
}

export function deviceCanaries({ id, token, ip }: SimulatedDevice): readonly Canary[] {
  return [
    { kind: "device-id", value: id },
    { kind: "token", value: token },
    { kind: "ip", value: ip },
  ];
}

function rawCanaries({ id, ip, lat, lon, total }: ComposedMessage["raw"]): Canary[] {
  return [
    ...(id === undefined ? [] : [{ kind: "message-id", value: id } as const]),
    ...(ip === undefined ? [] : [{ kind: "ip", value: ip } as const]),
    ...[lat, lon].flatMap((value) =>
      value === undefined ? [] : [{ kind: "coordinate", value: String(value) } as const],
    ),
    ...(total === undefined ? [] : [{ kind: "total", value: String(total) } as const]),
  ];
}
