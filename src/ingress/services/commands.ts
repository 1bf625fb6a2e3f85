/**
 * Commands of scene services. A service knows a device by its scene pseudonym only; the gateway,
 * and nobody else, turns that back into the device, while scene consent holds, and hands the command
 * to its connection. The table behind it is bounded, in memory, and gone at a restart.
 */
import type { LRUCache } from "lru-cache";
import { type CheckConsent, STATUS, usable } from "../../model/consent.ts";
import type { DeviceRef, Pseudonym } from "../../model/ids.ts";
import type { CommandOutcome } from "../../model/outcome.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";
import type { ServiceConnection } from "./connection.ts";
import { commandTopic } from "./topics.ts";

export interface CommandMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** Monotonic ms; afterwards its sender has no use for it. */
  readonly expiresAt: number;
}

export interface CommandsPorts {
  readonly checkConsent: CheckConsent;
  /** The scene pseudonym that this device has right now. */
  readonly scenePseudonym: (device: DeviceRef, wrappedSubjectKey: string) => Pseudonym;
  /** To connected devices only: a command for a device that is away is not kept. False: there is nobody to hand it to. */
  readonly command: (device: DeviceRef, name: string, payload: Buffer) => boolean;
  readonly counted: (outcome: CommandOutcome) => void;
}

export interface CommandsOptions {
  readonly maxPayloadBytes: number;
  /** Devices that can be addressed at one time. */
  readonly remembered: number;
}

export class Commands {
  readonly #options: CommandsOptions;
  readonly #ports: CommandsPorts;
  readonly #devices: LRUCache<string, DeviceRef>;

  constructor(options: CommandsOptions, ports: CommandsPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#devices = boundedCache(options.remembered);
  }

  /** The pipeline has just used this pseudonym towards scene services. */
  remember(pseudonym: Pseudonym, device: DeviceRef): void {
    const known = this.#devices.get(pseudonym);
    // Every message brings a reference of its own; the one that is known says the same and is kept.
    if (known?.deviceKey === device.deviceKey && known.subjectTag === device.subjectTag) return;
    this.#devices.set(pseudonym, device);
  }

  /** These scene pseudonyms name nobody any more. */
  forget(pseudonyms: Iterable<Pseudonym>): void {
    for (const pseudonym of pseudonyms) this.#devices.delete(pseudonym);
  }

  /** Acknowledged whatever becomes of it, like every publish; the outcome is counted. */
  submit(
    service: ServiceConnection,
    { topic, payload, expiresAt }: CommandMessage,
    done: (outcome: CommandOutcome) => void,
  ): void {
    // A copy: the payload is a part of whatever was read with it.
    this.#deliver(service, { topic, payload: Buffer.from(payload), expiresAt })
      .catch((): CommandOutcome => "unavailable")
      .then((outcome) => {
        this.#ports.counted(outcome);
        done(outcome);
      });
  }

  async #deliver(service: ServiceConnection, { topic, payload, expiresAt }: CommandMessage): Promise<CommandOutcome> {
    const command = commandTopic(topic);
    if (!service.mayPublish()) return "over-rate";
    if (command === undefined || !service.purposes.has("scene")) return "acl-denied";
    if (payload.length > this.#options.maxPayloadBytes) return "too-large";
    const device = this.#devices.get(command.pseudonym);
    if (device === undefined) return "unknown-device";
    const [verdict] = await this.#ports.checkConsent([device]);
    // It may have lost the purpose meanwhile.
    if (!service.purposes.has("scene")) return "acl-denied";
    if (verdict === undefined || verdict.refusal !== undefined || usable(verdict.grants, "scene", STATUS) === 0) {
      return "no-consent";
    }
    // A pseudonym of an earlier epoch or of an erased subject no longer opens anything.
    if (this.#ports.scenePseudonym(device, verdict.wrappedSubjectKey) !== command.pseudonym) return "unknown-device";
    if (performance.now() > expiresAt) return "expired";
    return this.#ports.command(device, command.name, payload) ? "delivered" : "unknown-device";
  }
}
