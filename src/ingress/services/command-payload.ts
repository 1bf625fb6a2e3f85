/** What a scene service says in a command, each value of the type that the table gives it. Anything else is no command. */
import { z } from "zod";
import { type Argument, argumentOf, COMMAND_NAMES, type CommandName, type CommandValue } from "../../model/command.ts";
import { readJson } from "../../model/json.ts";

export interface CommandPayload {
  readonly value: CommandValue;
  readonly correlation?: string | undefined;
  /** How many commands led to this one; may be above what is taken. */
  readonly cause?: number | undefined;
  /** Unix ms; afterwards the service has no use for it. */
  readonly expiresAt?: number | undefined;
}

/** More than the longest one takes, written with blanks. */
export const MAX_COMMAND_BYTES = 512;
const CORRELATION = /^[A-Za-z0-9_-]{1,64}$/;
/** A chain above this is no number of causes. */
const MAX_CAUSE = 1_000;

const PAYLOADS: ReadonlyMap<CommandName, z.ZodType<CommandPayload>> = new Map(
  COMMAND_NAMES.map((name) => [
    name,
    z.strictObject({
      value: typeOf(argumentOf(name)),
      correlation: z.string().regex(CORRELATION).optional(),
      cause: z.int().min(0).max(MAX_CAUSE).optional(),
      expiresAt: z.int().min(0).optional(),
    }),
  ]),
);

/** `undefined` for what is not the payload of this command. */
export function readCommand(name: CommandName, payload: Buffer): CommandPayload | undefined {
  if (payload.length > MAX_COMMAND_BYTES) return undefined;
  return PAYLOADS.get(name)?.safeParse(readJson(payload.toString())).data;
}

function typeOf(argument: Argument): z.ZodType<CommandValue> {
  switch (argument.kind) {
    case "word":
      return z.enum(argument.words as [string, ...string[]]);
    case "number":
      return z.number().min(argument.min).max(argument.max).multipleOf(argument.step);
    case "flag":
      return z.boolean();
    case "color":
      return z.string().regex(/^#[0-9a-fA-F]{6}$/);
  }
}
