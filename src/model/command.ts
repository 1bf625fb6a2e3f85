/**
 * What a scene service may have a device do: one closed table, of comfort alone. No lock, door, alarm or payment stands in it, and
 * nothing that decides about a person; a policy can narrow it and never widen it (docs/decisions/057).
 */

/** What a command says besides its name. */
export type Argument =
  | { readonly kind: "word"; readonly words: readonly string[] }
  | {
      readonly kind: "number";
      readonly min: number;
      readonly max: number;
      /** A value is a whole number of these. */
      readonly step: number;
      readonly unit: string;
    }
  | { readonly kind: "flag" }
  /** `#rrggbb`. */
  | { readonly kind: "color" };

interface CommandKind {
  readonly about: string;
  readonly argument: Argument;
}

const SWITCH: Argument = { kind: "word", words: ["on", "off", "toggle"] };
const PERCENT: Argument = { kind: "number", min: 0, max: 100, step: 1, unit: "%" };

export const COMMANDS = {
  power: { about: "Switches it.", argument: SWITCH },
  power_2: { about: "Switches its second output.", argument: SWITCH },
  power_3: { about: "Switches its third output.", argument: SWITCH },
  power_4: { about: "Switches its fourth output.", argument: SWITCH },
  brightness: { about: "How bright a light is.", argument: PERCENT },
  color_temperature: {
    about: "How warm its white is.",
    argument: { kind: "number", min: 1500, max: 8000, step: 1, unit: "K" },
  },
  color: { about: "The color of a light.", argument: { kind: "color" } },
  cover: { about: "Moves a blind or a curtain.", argument: { kind: "word", words: ["open", "close", "stop"] } },
  cover_position: { about: "How far it is open.", argument: PERCENT },
  cover_tilt: { about: "How far its slats are open.", argument: PERCENT },
  setpoint: {
    about: "The temperature to be reached.",
    argument: { kind: "number", min: 5, max: 30, step: 0.5, unit: "°C" },
  },
  mode: {
    about: "How heating or cooling works.",
    argument: { kind: "word", words: ["off", "heat", "cool", "auto", "heat_cool", "dry", "fan_only"] },
  },
  preset: {
    about: "What heating or cooling goes by.",
    argument: { kind: "word", words: ["none", "eco", "comfort", "boost", "sleep", "away"] },
  },
  fan_speed: { about: "How fast a fan turns.", argument: PERCENT },
  swing: { about: "Whether it swings.", argument: { kind: "flag" } },
  vacuum: {
    about: "What a cleaning robot does.",
    argument: { kind: "word", words: ["start", "stop", "pause", "return"] },
  },
} as const satisfies Readonly<Record<string, CommandKind>>;

export type CommandName = keyof typeof COMMANDS;
export const COMMAND_NAMES = Object.keys(COMMANDS) as [CommandName, ...CommandName[]];

export function isCommandName(text: string): text is CommandName {
  return Object.hasOwn(COMMANDS, text);
}

export function argumentOf(name: CommandName): Argument {
  return COMMANDS[name].argument;
}

export type CommandValue = string | number | boolean;

/** As it is handed to a device. */
export interface DeviceCommand {
  readonly name: CommandName;
  readonly value: CommandValue;
  /** The service's own name for it, which the device may repeat. */
  readonly correlation?: string | undefined;
}

/** A command that follows a scene message that followed a command … so many times, and no more. */
export const LONGEST_CAUSE_CHAIN = 4;
