/**
 * Which commands follow from a message. Each carries how many commands led to it: what the message says in `cause`, or, where the gateway
 * does not tell it, one more than the last command to the device whose effect the message shows. So two rules that switch each other end. Pure but
 * for what is known of homes.
 */
import { SHOWN_IN } from "./commands.ts";
import type { Device, Homes } from "./homes.ts";
import type { SceneMessage } from "./messages.ts";
import { type Facts, holds, type Rule } from "./rules.ts";

/** No rule fires beyond it: so many commands after the first. */
export const LONGEST_CHAIN = 4;
/** For so long what a device says of a property is taken for the effect of the last command that concerned it. */
const FOLLOWS_MS = 600_000;
/** Of one rule, with one message. */
const MAX_TARGETS = 16;

export interface Command {
  readonly device: string;
  readonly name: string;
  readonly value: string | number;
  readonly cause: number;
}

export interface Fired {
  readonly commands: readonly Command[];
  /** Rules that held and did nothing, because too many commands had led to it. */
  readonly chainsEnded: number;
  /** The same, because they had fired a moment ago. */
  readonly cooling: number;
}

export function fire(
  rules: readonly Rule[],
  message: SceneMessage,
  homes: Homes,
  { now, sun }: { readonly now: number; readonly sun: Facts["sun"] },
): Fired {
  const device = homes.said(message);
  const cause = message.cause ?? inferredCause(device, message, now);
  const commands: Command[] = [];
  let chainsEnded = 0;
  let cooling = 0;
  for (const rule of rules) {
    for (const target of targetsOf(rule, device, homes)) {
      if (!holds(rule, { said: message.status, state: device.status, target: target.status, sun })) continue;
      if ((target.cooling.get(rule.name) ?? 0) > now) cooling += 1;
      else if (cause > LONGEST_CHAIN) chainsEnded += 1;
      else commands.push(commandOf(rule, target, cause, now));
    }
  }
  return { commands, chainsEnded, cooling };
}

function commandOf({ name, do: action, coolDownS }: Rule, target: Device, cause: number, now: number): Command {
  const { command, value } = action;
  target.cooling.set(name, now + coolDownS * 1_000);
  const before = target.commanded;
  const longest = before !== undefined && now - before.at < FOLLOWS_MS ? Math.max(before.cause, cause) : cause;
  target.commanded = { cause: longest, shownIn: SHOWN_IN[command], at: now };
  return { device: target.name, name: command, value, cause };
}

function inferredCause({ commanded }: Device, { status }: SceneMessage, now: number): number {
  if (commanded === undefined || now - commanded.at >= FOLLOWS_MS) return 0;
  return commanded.shownIn.some((property) => Object.hasOwn(status, property)) ? commanded.cause + 1 : 0;
}

function targetsOf({ do: { target } }: Rule, device: Device, homes: Homes): readonly Device[] {
  if (target === "self") return [device];
  const { has, model } = target;
  return homes
    .withProperty(device, has)
    .filter((one) => model === undefined || one.model === model)
    .slice(0, MAX_TARGETS);
}
