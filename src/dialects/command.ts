/**
 * How a family of devices takes a command: the topics it listens to, and how the value is written there. A name has up to four ways;
 * what counts is the first that has the value and that the device listens to.
 *
 *   commands:
 *     power: { topic: cmnd/{self}/POWER, words: { on: "ON", off: "OFF", toggle: TOGGLE } }
 *     brightness: { topic: "zigbee2mqtt/{child}/set", scale: 254/100, json: { brightness: "{value}" } }
 *     color_temperature: { topic: cmnd/{self}/CT, inverse: 1000000, between: [153, 500] }
 *     cover_position: { topic: "{self}/command/cover:0", text: "pos,{value}" }
 *     setpoint: { topic: "{self}/climate/+/target_temperature/command" }      a name that only the device knows
 */
import { type Argument, argumentOf, type CommandValue, isCommandName } from "../model/command.ts";
import type { TemplateShape, WayShape, WaysShape } from "./file.ts";
import { covers, patternOf } from "./topic.ts";

const SELF = "{self}";
const CHILD = "{child}";
const VALUE = "{value}";
const PLACES = /\{self\}|\{child\}/g;

/** One way in which devices of a family take a command. */
export interface Way {
  /** For a device behind the hub, which it names; else for the connection itself. */
  readonly ofChild: boolean;
  /** `hub`: what the connection calls itself. A `+` in it stands for a name that only the device knows. */
  topic(alias: string, hub: string | undefined): string | undefined;
  /** `undefined` for a value that it does not have. */
  payload(value: CommandValue, alias: string): string | undefined;
}

interface Family {
  readonly hub: boolean;
  readonly subscriptions: readonly string[];
}

type Fault = (what: string) => void;

export function waysOf(shape: WaysShape): readonly WayShape[] {
  if (typeof shape === "string") return [{ topic: shape }];
  return "topic" in shape ? [shape as WayShape] : (shape as readonly WayShape[]);
}

export function compileWays(name: string, shape: WaysShape, family: Family, fault: Fault): readonly Way[] {
  if (!isCommandName(name)) {
    fault(`"${name}" is no command; docs/topics.md lists them`);
    return [];
  }
  const argument = argumentOf(name);
  return waysOf(shape).map((way) => compileWay(way, argument, family, fault));
}

function compileWay(shape: WayShape, argument: Argument, { hub, subscriptions }: Family, fault: Fault): Way {
  const { topic, text = VALUE, json } = shape;
  const template = JSON.stringify(json ?? text);
  const ofChild = topic.includes(CHILD) || template.includes(CHILD);
  checkTopic(topic, subscriptions, fault);
  if (ofChild && !hub) fault("only a hub has children");
  if (json !== undefined && shape.text !== undefined) fault("needs one of `text` and `json`");
  if (!template.includes(VALUE)) fault("the value stands nowhere");
  checkValue(shape, argument, fault);
  return {
    ofChild,
    topic: (alias, hub) => {
      const self = ofChild ? hub : alias;
      if (self === undefined && topic.includes(SELF)) return undefined;
      return topic.replaceAll(PLACES, (place) => (place === SELF ? (self ?? "") : alias));
    },
    payload: (value, alias) => {
      const said = written(value, shape);
      if (said === undefined) return undefined;
      return json === undefined
        ? text.replaceAll(VALUE, () => String(said))
        : JSON.stringify(filled(json, said, alias));
    },
  };
}

function checkTopic(topic: string, subscriptions: readonly string[], fault: Fault): void {
  const pattern = patternOf(topic);
  if ("fault" in pattern) {
    fault(pattern.fault);
    return;
  }
  if (pattern.levels.some(({ is }) => is === "leaf" || is === "rest")) fault("a command goes to one topic");
  if (pattern.levels.filter(({ is }) => is === "any").length > 1) fault("`+` stands there twice");
  if (!subscriptions.some((filter) => covers(filter, topic, (word) => word === SELF)))
    fault("the firmware subscribes to nothing that covers this topic");
}

function checkValue({ words, scale, offset, inverse, between }: WayShape, argument: Argument, fault: Fault): void {
  const converts = [scale, offset, inverse, between].some((one) => one !== undefined);
  if (converts && argument.kind !== "number") fault("`scale`, `offset`, `inverse` and `between` are for numbers");
  if (inverse !== undefined && (scale !== undefined || offset !== undefined))
    fault("`inverse` stands without `scale` and `offset`");
  if (words === undefined) return;
  const known = argument.kind === "word" ? argument.words : argument.kind === "flag" ? ["true", "false"] : [];
  if (known.length === 0) fault("`words` are for words and flags");
  for (const word of Object.keys(words)) if (!known.includes(word)) fault(`"${word}" is no word of this command`);
}

/** The value as the vendor has it. */
function written(value: CommandValue, shape: WayShape): CommandValue | undefined {
  const { words, scale, offset, inverse, between } = shape;
  if (typeof value !== "number") {
    if (words === undefined) return value;
    return Object.hasOwn(words, String(value)) ? words[String(value)] : undefined;
  }
  if (scale === undefined && offset === undefined && inverse === undefined && between === undefined) return value;
  const exact = inverse === undefined ? value * (scale ?? 1) + (offset ?? 0) : inverse / value;
  const [least, most] = between ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return Math.min(most, Math.max(least, Math.round(exact)));
}

/** A text that is the value alone stays what the value is. */
function filled(template: TemplateShape, value: CommandValue, alias: string): unknown {
  if (typeof template === "string") {
    if (template === VALUE) return value;
    // In one go: what an alias holds is a name, and no place for a value.
    return template.replaceAll(/\{value\}|\{child\}/g, (place) => (place === VALUE ? String(value) : alias));
  }
  if (template === null || typeof template !== "object") return template;
  return Object.fromEntries(Object.entries(template).map(([key, below]) => [key, filled(below, value, alias)]));
}
