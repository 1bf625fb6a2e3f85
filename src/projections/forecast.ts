/** The JSON Schema of a forecast, made of the same table as the check of the gateway; a test holds the two together. */
import { CONDITIONS, HOUR_NEEDS, HOUR_VALUES, type HourValue, MOST_HOURS } from "../model/forecast.ts";
import { DIALECT, type JsonSchema } from "./schemas.ts";

const MOMENT = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };

export const FORECAST: JsonSchema = {
  type: "object",
  title: "weather",
  description: "The hours to come in a cell. At most 4 KiB.",
  properties: {
    at: {
      ...MOMENT,
      description: "When it was issued; Unix ms. One that is not newer than the one before is dropped.",
    },
    until: { ...MOMENT, description: "After `at`: until when it is of use; Unix ms. It is kept for 48 hours at most." },
    hours: {
      type: "array",
      minItems: 1,
      maxItems: MOST_HOURS,
      items: {
        type: "object",
        properties: {
          at: { ...MOMENT, description: "The begin of the hour; Unix ms." },
          ...Object.fromEntries(
            Object.entries<HourValue>(HOUR_VALUES).map(([name, { unit, min, max }]) => [
              name,
              { type: "number", title: `${name} (${unit})`, minimum: min, maximum: max },
            ]),
          ),
          condition: { enum: [...CONDITIONS] },
        },
        required: ["at", HOUR_NEEDS],
        additionalProperties: false,
      },
    },
  },
  required: ["at", "until", "hours"],
  additionalProperties: false,
};

/** A file of its own, to be used without AsyncAPI. */
export const FORECAST_FILE: JsonSchema = { $schema: DIALECT, ...FORECAST };
