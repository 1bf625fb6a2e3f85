/** The JSON Schema (2020-12) of what a service of each purpose gets, made of the projections and of the properties that are configured. */

import type { Property, Rounding } from "../model/property.ts";
import type { ServicePurpose } from "../model/purposes.ts";
import { rounded } from "../vocabulary/rounding.ts";
import { PROJECTIONS, type Projection } from "./projections.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

export const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/** Of one packet: no other field than these, and no value outside of its range. */
export function packetSchema(purpose: ServicePurpose, properties: readonly Property[]): JsonSchema {
  const projection = PROJECTIONS[purpose];
  return {
    type: "object",
    title: `processed/${purpose}`,
    description: projection.about,
    properties: Object.fromEntries(
      projection.fields.map(({ name, about, schema }) => [
        name,
        { ...(schema === "status" ? statusSchema(projection, properties) : schema), description: about },
      ]),
    ),
    required: projection.fields.flatMap(({ name, optional }) => (optional === true ? [] : [name])),
    additionalProperties: false,
  };
}

function statusSchema(projection: Projection, properties: readonly Property[]): JsonSchema {
  const told = properties.flatMap((property) => {
    const schema = propertySchema(projection, property);
    return schema === undefined ? [] : [[property.name, schema] as const];
  });
  return { type: "object", properties: Object.fromEntries(told), minProperties: 1, additionalProperties: false };
}

/** `undefined` when the purpose does not get the property. */
function propertySchema({ step }: Projection, property: Property): JsonSchema | undefined {
  const { kind, label, unit, words, min, max } = property;
  const title = unit === "" ? label : `${label} (${unit})`;
  const rounding = property[step];
  if (kind === "flag" || kind === "word") {
    if (step === "weatherStep") return undefined;
    return kind === "flag" ? { type: "boolean", title } : { enum: [...words].sort(), title };
  }
  if (rounding === undefined) return undefined;
  const least = kind === "counter" ? 0 : min;
  // What is told is rounded for each purpose in turn, each from the one before; so are its ends.
  const told = (value: number) =>
    [property.step, property.sceneStep, ...(step === "weatherStep" ? [property.weatherStep] : [])].reduce(
      (end: number, by) => rounded(end, by),
      value,
    );
  return {
    type: "number",
    title,
    minimum: Math.min(told(least), least),
    maximum: Math.max(told(max), max),
    description: `${kind === "counter" ? "What was added since the message before, in" : "Rounded to"} ${stepText(rounding)}.`,
  };
}

function stepText(rounding: Rounding): string {
  if ("step" in rounding) return `steps of ${rounding.step}`;
  const digits = `${rounding.digits} ${rounding.digits === 1 ? "digit" : "digits"}`;
  return rounding.atLeast === 0 ? digits : `${digits}, in steps of ${rounding.atLeast} at least`;
}
