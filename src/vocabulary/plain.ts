/** A property in plain words, for the person whose device tells it: its name, and what each purpose is given of it. Pure. */
import type { Classes, PlainProperty, Property, Rounding } from "../model/property.ts";

export function plainly(property: Property): PlainProperty {
  const { name, label, kind, step, sceneStep, weatherStep } = property;
  const storedStep = property.storedWhole ? step : (property.storedStep ?? sceneStep);
  const unit = property.unit === "" || property.unit === "1" ? "" : ` ${property.unit}`;
  if (kind === "flag") return { name, label, stored: "yes or no", scene: "yes or no" };
  if (kind === "word") {
    const words = `one of ${[...property.words].join(", ")}`;
    return { name, label, stored: words, scene: words };
  }
  const told = (rounding: Rounding | Classes | undefined) => {
    if (rounding !== undefined && "classes" in rounding) return classesOf(rounding, unit);
    const width = widthOf(rounding, unit);
    return kind === "counter" ? `how much was added, to ${width}` : `rounded to ${width}`;
  };
  return {
    name,
    label,
    ...(unit !== "" && { unit: property.unit }),
    ...(kind === "counter" && { added: true }),
    stored: told(storedStep),
    scene: told(sceneStep),
    ...(weatherStep !== undefined && { weather: told(weatherStep) }),
  };
}

/** The first has no lower end. */
function classesOf({ classes }: Classes, unit: string): string {
  const ends = classes.slice(1).map((from) => `${from}${unit}`);
  return ends.length === 1
    ? `only whether it reaches ${ends[0]}`
    : `only which of these it reaches: ${ends.join(", ")}`;
}

function widthOf(rounding: Rounding | undefined, unit: string): string {
  // There is none without: a row says how it is rounded, or it is a flag or a word.
  if (rounding === undefined) return "nothing";
  if ("step" in rounding) return `${rounding.step}${unit}`;
  const digits = rounding.digits === 1 ? "1 digit" : `${rounding.digits} digits`;
  return rounding.atLeast > 0 ? `${digits}, and to ${rounding.atLeast}${unit} at the finest` : digits;
}
