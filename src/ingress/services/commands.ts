/**
 * Commands of scene services. A service knows a device by its scene pseudonym only; the gateway, and no one else, turns that back
 * into the device, while scene consent holds (addressable-names.ts), and hands the command to its connection.
 */
import type { DeviceRef } from "../../model/ids.ts";
import type { CommandOutcome } from "../../model/outcome.ts";
import type { AddressableNames } from "./addressable-names.ts";
import type { ServiceConnection } from "./connection.ts";
import { commandTopic } from "./topics.ts";

export interface CommandMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** Monotonic ms; afterwards its sender has no use for it. */
  readonly expiresAt: number;
}

export interface CommandsPorts {
  /** Of scene services. */
  readonly names: Pick<AddressableNames, "find">;
  /** To connected devices only: a command for a device that is away is not kept. False: there is nobody to hand it to. */
  readonly command: (device: DeviceRef, name: string, payload: Buffer) => boolean;
  readonly counted: (outcome: CommandOutcome) => void;
}

export interface CommandsOptions {
  readonly maxPayloadBytes: number;
}

export class Commands {
  readonly #options: CommandsOptions;
  readonly #ports: CommandsPorts;

  constructor(options: CommandsOptions, ports: CommandsPorts) {
    this.#options = options;
    this.#ports = ports;
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
    const device = await this.#ports.names.find(command.pseudonym);
    // It may have lost the purpose meanwhile.
    if (!service.purposes.has("scene")) return "acl-denied";
    if (typeof device === "string") return device;
    if (performance.now() > expiresAt) return "expired";
    return this.#ports.command(device, command.name, payload) ? "delivered" : "unknown-device";
  }
}
