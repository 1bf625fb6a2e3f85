/** JSON Schemas of what a scene service says in a command, and of what it is told about it, made of the table of commands. */
import { type Argument, COMMANDS, LONGEST_CAUSE_CHAIN } from "../model/command.ts";
import { COMMAND_OUTCOMES, type CommandOutcome } from "../model/outcome.ts";
import type { JsonSchema } from "./schemas.ts";

const CORRELATION = { type: "string", pattern: "^[A-Za-z0-9_-]{1,64}$" };

/** The values of each command stand under its name, as `title`: which of them counts is said by the topic. */
export const COMMAND_SCHEMA: JsonSchema = {
  type: "object",
  title: "commands",
  description: "What a device is to do.",
  properties: {
    value: {
      anyOf: Object.entries(COMMANDS).map(([name, { about, argument }]) => ({
        title: name,
        description: about,
        ...argumentSchema(argument),
      })),
    },
    correlation: {
      ...CORRELATION,
      description: "A name of the service's own; under it a command is delivered once in ten minutes.",
    },
    cause: {
      type: "integer",
      minimum: 0,
      maximum: LONGEST_CAUSE_CHAIN,
      description: "The `cause` of the scene message from which it follows, if that has one.",
    },
    expiresAt: { type: "integer", minimum: 0, description: "Unix ms; afterwards it is not delivered." },
  },
  required: ["value"],
  additionalProperties: false,
};

/** What is never told: whether a person has decided so, and that a service may not command at all. */
const NOT_TOLD: ReadonlySet<CommandOutcome> = new Set(["no-consent", "acl-denied"]);

export const OUTCOME_SCHEMA: JsonSchema = {
  type: "object",
  title: "commands/outcome",
  description: "What became of a command.",
  properties: {
    outcome: { enum: COMMAND_OUTCOMES.filter((outcome) => !NOT_TOLD.has(outcome)) },
    correlation: { ...CORRELATION, description: "That of the command, if it had one and could be read." },
  },
  required: ["outcome"],
  additionalProperties: false,
};

export const COMMAND_PARAMETERS = {
  pseudonym: { description: "The scene pseudonym of a device, of the present epoch." },
  name: { description: "A command; the policy may leave some of them out.", enum: Object.keys(COMMANDS) },
};

function argumentSchema(argument: Argument): JsonSchema {
  switch (argument.kind) {
    case "word":
      return { enum: argument.words };
    case "number":
      return { type: "number", minimum: argument.min, maximum: argument.max, multipleOf: argument.step };
    case "flag":
      return { type: "boolean" };
    case "color":
      return { type: "string", pattern: "^#[0-9a-fA-F]{6}$" };
  }
}
