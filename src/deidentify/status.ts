/**
 * What each purpose is given of a `status`: properties of the vocabulary alone, numbers rounded to the step of the purpose,
 * words of the list, flags. Anything else is left out, whatever admission let through: a batch may be older than the
 * vocabulary it is opened under.
 *
 * A purpose is given what the purpose before it would be given, rounded once more: analytics, scene, weather. So it tells
 * nothing about the value that the finest of them does not tell. Rounded each from the value itself, two purposes together
 * would tell more than either: 0.6 is 1 in whole steps and 0 in steps of 2, and only what lies between 0.5 and 1 is both.
 */
import type { StatusFields, StatusValue } from "../model/deidentified.ts";
import type { Property } from "../model/property.ts";
import { rounded } from "../vocabulary/rounding.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";

type Keep = (property: Property, value: StatusValue) => StatusValue | undefined;

export class StatusFilter {
  readonly #vocabulary: Pick<Vocabulary, "get">;

  constructor(vocabulary: Pick<Vocabulary, "get">) {
    this.#vocabulary = vocabulary;
  }

  /** `undefined` when nothing is left; so do the others. */
  forAnalytics(status: StatusFields): StatusFields | undefined {
    return this.#kept(status, analyticsValue);
  }

  forScene(status: StatusFields): StatusFields | undefined {
    return this.#kept(status, sceneValue);
  }

  /** Only what has a step for weather: flags and words have none, for they say more about the home than about the sky. */
  forWeather(status: StatusFields): StatusFields | undefined {
    return this.#kept(status, weatherValue);
  }

  /** Once for each purpose of each message: nothing is made but the result. */
  #kept(status: StatusFields, keep: Keep): StatusFields | undefined {
    let kept: Record<string, StatusValue> | undefined;
    for (const key in status) {
      const property = this.#vocabulary.get(key);
      const given = status[key];
      if (property === undefined || given === undefined) continue;
      const value = keep(property, given);
      if (value === undefined) continue;
      kept ??= {};
      kept[key] = value;
    }
    return kept;
  }
}

function analyticsValue(property: Property, given: StatusValue): StatusValue | undefined {
  return typeof given === "number" ? inRange(property, given) : knownState(property, given);
}

function sceneValue(property: Property, given: StatusValue): StatusValue | undefined {
  const value = analyticsValue(property, given);
  return typeof value === "number" && property.sceneStep !== property.step ? rounded(value, property.sceneStep) : value;
}

function weatherValue(property: Property, given: StatusValue): StatusValue | undefined {
  if (property.weatherStep === undefined) return undefined;
  const value = sceneValue(property, given);
  return typeof value === "number" ? rounded(value, property.weatherStep) : undefined;
}

/** Without a step nothing is a number: flags and words have none. A difference of a counter is a multiple of it already. */
function inRange({ step, min, max }: Property, value: number): number | undefined {
  return step !== undefined && value >= min && value <= max ? rounded(value, step) : undefined;
}

function knownState({ kind, words }: Property, given: boolean | string): boolean | string | undefined {
  if (typeof given === "boolean") return kind === "flag" ? given : undefined;
  return kind === "word" && words.has(given) ? given : undefined;
}
