/**
 * Commands of scene services. A service knows a device by its scene pseudonym only; the gateway, and no one else, turns that back
 * into the device, while scene consent holds (addressable-names.ts), and hands the command to its connection. What may be commanded
 * is a closed table (model/command.ts), how often is bounded for each device, and a command that follows from commands too many times
 * is refused, so that two rules which switch each other come to an end.
 */
import type { LRUCache } from "lru-cache";
import { type CommandName, type DeviceCommand, isCommandName, LONGEST_CAUSE_CHAIN } from "../../model/command.ts";
import type { DeviceRef, Pseudonym } from "../../model/ids.ts";
import type { CommandOutcome } from "../../model/outcome.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";
import type { AddressableNames } from "./addressable-names.ts";
import type { CommandOutcomes } from "./command-outcomes.ts";
import { type CommandPayload, MAX_COMMAND_BYTES, readCommand } from "./command-payload.ts";
import { CommandedDevices } from "./commanded-devices.ts";
import type { ServiceConnection } from "./connection.ts";
import { type Command, commandTopic } from "./topics.ts";

export interface CommandMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** Monotonic ms; afterwards its sender has no use for it. */
  readonly expiresAt: number;
}

export interface CommandsPorts {
  /** Of scene services. */
  readonly names: Pick<AddressableNames, "isKnown" | "find">;
  /** Whether the newest policy lets this service give this command. */
  readonly allowed: (service: string, name: CommandName) => boolean;
  /** To connected devices only: a command for a device that is away is not kept. False: there is no one to hand it to. */
  readonly command: (device: DeviceRef, command: DeviceCommand) => boolean;
  readonly counted: (outcome: CommandOutcome) => void;
  readonly outcomes: Pick<CommandOutcomes, "tell">;
}

export interface CommandsOptions {
  /** Of one device, by whichever services. */
  readonly perMinute: number;
  /** Devices of which it is known how often they were commanded. */
  readonly remembered: number;
}

const REPEATED_MS = 10 * 60_000;
/** Beyond it the one that was delivered longest ago may be delivered again. */
const MAX_CORRELATIONS = 100_000;

export class Commands {
  readonly #ports: CommandsPorts;
  readonly #devices: CommandedDevices;
  /** By service and correlation: delivered, or being delivered. */
  readonly #delivered: LRUCache<string, true> = boundedCache(MAX_CORRELATIONS, { ttl: REPEATED_MS });

  constructor({ perMinute, remembered }: CommandsOptions, ports: CommandsPorts) {
    this.#ports = ports;
    this.#devices = new CommandedDevices(perMinute, remembered);
  }

  /** How many commands led to what the device says now; `undefined` when it was not commanded lately. */
  causeOf(pseudonym: Pseudonym): number | undefined {
    return this.#devices.causeOf(pseudonym);
  }

  /** These names lead to no device any more. */
  forget(pseudonyms: Iterable<Pseudonym>): void {
    this.#devices.forget(pseudonyms);
  }

  /** Acknowledged whatever becomes of it, like every publish; the outcome is counted, and told to the service that listens. */
  submit(service: ServiceConnection, message: CommandMessage, done: (outcome: CommandOutcome) => void): void {
    const command = commandTopic(message.topic);
    const said = command && isCommandName(command.name) ? readCommand(command.name, message.payload) : undefined;
    // Of too many nothing is told: that would be a message to each connection for every one of them.
    const mayPublish = service.mayPublish();
    const outcome = mayPublish ? this.#take(service, message, command, said) : Promise.resolve("over-rate" as const);
    outcome
      .catch((): CommandOutcome => "unavailable")
      .then((became) => {
        this.#ports.counted(became);
        done(became);
        if (mayPublish && command !== undefined) this.#tell(service.name, command, became, said?.correlation);
      });
  }

  async #take(
    service: ServiceConnection,
    { payload, expiresAt }: CommandMessage,
    command: Command | undefined,
    said: CommandPayload | undefined,
  ): Promise<CommandOutcome> {
    if (command === undefined || !service.purposes.has("scene")) return "acl-denied";
    if (payload.length > MAX_COMMAND_BYTES) return "too-large";
    if (said === undefined) return "invalid";
    const refusal = this.#refusalOf(service, command, said);
    if (refusal !== undefined) return refusal;
    return this.#once(service.name, said.correlation, () => this.#deliver(service, command, said, expiresAt));
  }

  /** What speaks against it whatever the device. */
  #refusalOf(service: ServiceConnection, { name }: Command, said: CommandPayload): CommandOutcome | undefined {
    if (!this.#ports.allowed(service.name, name as CommandName)) return "not-allowed";
    if ((said.cause ?? 0) > LONGEST_CAUSE_CHAIN) return "cause-chain";
    return isLate(said) ? "expired" : undefined;
  }

  /** What was not delivered may come again under the same correlation. */
  async #once(
    service: string,
    correlation: string | undefined,
    deliver: () => Promise<CommandOutcome>,
  ): Promise<CommandOutcome> {
    if (correlation === undefined) return deliver();
    const key = `${service} ${correlation}`;
    if (this.#delivered.has(key)) return "repeated";
    this.#delivered.set(key, true);
    let outcome: CommandOutcome | undefined;
    try {
      outcome = await deliver();
      return outcome;
    } finally {
      if (outcome !== "delivered") this.#delivered.delete(key);
    }
  }

  async #deliver(
    service: ServiceConnection,
    command: Command,
    said: CommandPayload,
    expiresAt: number,
  ): Promise<CommandOutcome> {
    const { pseudonym } = command;
    if (!this.#ports.names.isKnown(pseudonym)) return "unknown-device";
    // Before consent is asked: how often a device was commanded says nothing of what its person has decided, nor whether it is there.
    if (!this.#devices.mayCommand(pseudonym)) return "over-rate";
    const device = await this.#ports.names.find(pseudonym);
    // It may have lost the purpose meanwhile, or its token.
    if (!service.purposes.has("scene")) return "acl-denied";
    if (typeof device === "string") return device;
    if (performance.now() > expiresAt || isLate(said)) return "expired";
    const { value, correlation, cause = 0 } = said;
    if (!this.#ports.command(device, { name: command.name as CommandName, value, correlation }))
      return "unknown-device";
    this.#devices.commanded(pseudonym, cause);
    return "delivered";
  }

  #tell(service: string, command: Command, outcome: CommandOutcome, correlation: string | undefined): void {
    // Who may not command is told nothing.
    if (outcome === "acl-denied") return;
    this.#ports.outcomes.tell(service, command, outcome === "no-consent" ? "unknown-device" : outcome, correlation);
  }
}

function isLate({ expiresAt }: CommandPayload): boolean {
  return expiresAt !== undefined && Date.now() > expiresAt;
}
