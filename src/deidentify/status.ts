/**
 * What each purpose is given of a `status`: properties of the vocabulary alone, numbers rounded to the step of the purpose,
 * words of the list, flags. Anything else is left out, whatever admission let through: a batch may be older than the
 * vocabulary it is opened under.
 *
 * Weather is told what a scene would be told, rounded once more, and so is what is stored, unless it is stored to its own steps: then
 * a scene is told what is stored, rounded once more. So no two of them together tell more about a value than the scene is told. Rounded each from the
 * value itself they would: 0.6 is 1 in whole steps and 0 in steps of 2, and only what lies between 0.5 and 1 is both.
 */
import type { StatusFields, StatusValue } from "../model/deidentified.ts";
import type { Property } from "../model/property.ts";
import { type Round, roundTo } from "../vocabulary/rounding.ts";

/** A property, made ready: this runs for every value of every message, once for each purpose. */
interface Told {
  readonly flag: boolean;
  readonly words: ReadonlySet<string>;
  /** What is stored is not rounded further: of a counter, so that sums stay exact, or of all. */
  readonly whole: boolean;
  readonly min: number;
  readonly max: number;
  /** `undefined` for flags and words. A difference of a counter is a multiple of its step already. */
  readonly finest: Round | undefined;
  /** Of that; `undefined` when it is the same. */
  readonly scene: Round | undefined;
  /** Of what a scene gets; `undefined` when it is the same. */
  readonly stored: Round | undefined;
  /** Of what a scene gets; `undefined` when weather gets nothing. */
  readonly weather: Round | undefined;
}

type Keep<Value extends StatusValue> = (told: Told, value: StatusValue) => Value | undefined;

export class StatusFilter {
  readonly #told: ReadonlyMap<string, Told>;

  constructor(properties: readonly Property[]) {
    this.#told = new Map(properties.map((property) => [property.name, toldOf(property)]));
  }

  /** `undefined` when nothing is left, here and below. */
  forAnalytics(status: StatusFields): StatusFields | undefined {
    return this.#kept(status, storedValue);
  }

  forScene(status: StatusFields): StatusFields | undefined {
    return this.#kept(status, sceneValue);
  }

  /** Without what weather is told: of a device outdoors that would say where it is, to who also hears the weather. */
  forSceneOutdoors(status: StatusFields): StatusFields | undefined {
    return this.#kept(status, sceneValueOutdoors);
  }

  /** Only what has a step for weather: flags and words have none, for they say more about the home than about the sky. */
  forWeather(status: StatusFields): Readonly<Record<string, number>> | undefined {
    return this.#kept(status, weatherValue);
  }

  #kept<Value extends StatusValue>(status: StatusFields, keep: Keep<Value>): Record<string, Value> | undefined {
    let kept: Record<string, Value> | undefined;
    for (const key in status) {
      const told = this.#told.get(key);
      const given = status[key];
      if (told === undefined || given === undefined) continue;
      const value = keep(told, given);
      if (value === undefined) continue;
      kept ??= {};
      kept[key] = value;
    }
    return kept;
  }
}

function toldOf({ kind, words, min, max, step, sceneStep, storedWhole, storedStep, weatherStep }: Property): Told {
  return {
    flag: kind === "flag",
    words,
    whole: storedWhole,
    min,
    max,
    finest: step && roundTo(step),
    scene: sceneStep === step ? undefined : sceneStep && roundTo(sceneStep),
    stored: storedStep && roundTo(storedStep),
    weather: weatherStep && roundTo(weatherStep),
  };
}

function sceneValue(told: Told, given: StatusValue): StatusValue | undefined {
  if (typeof given === "number") {
    const value = finestValue(told, given);
    return value !== undefined && told.scene !== undefined ? told.scene(value) : value;
  }
  if (typeof given === "boolean") return told.flag ? given : undefined;
  return told.words.has(given) ? given : undefined;
}

function sceneValueOutdoors(told: Told, given: StatusValue): StatusValue | undefined {
  return told.weather === undefined ? sceneValue(told, given) : undefined;
}

function finestValue(told: Told, given: number): number | undefined {
  return told.finest !== undefined && given >= told.min && given <= told.max ? told.finest(given) : undefined;
}

function storedValue(told: Told, given: StatusValue): StatusValue | undefined {
  if (told.whole && typeof given === "number") return finestValue(told, given);
  const value = sceneValue(told, given);
  return typeof value === "number" && told.stored !== undefined ? told.stored(value) : value;
}

function weatherValue(told: Told, given: StatusValue): number | undefined {
  if (told.weather === undefined) return undefined;
  const value = sceneValue(told, given);
  return typeof value === "number" ? told.weather(value) : undefined;
}
