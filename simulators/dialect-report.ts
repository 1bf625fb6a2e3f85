/** What firmware published beside what was stored of it: for a person, and for a program. */
import type { DialectReport, DialectSample } from "./dialect-rows.ts";
import { rowValues } from "./stored-rows.ts";

/** One of each dialect. */
export function dialectLines(samples: readonly DialectSample[]): string[] {
  return samples.flatMap(({ topic, published, stored }) => {
    const kept = Object.entries(rowValues(stored)).map(([name, value]) => `${name}=${value}`);
    return [`  in    ${topic}  ${published}`, `  kept  device_status ${kept.join(" ")}`];
  });
}

export function dialectJson({ devices, pseudonyms, samples }: DialectReport): Record<string, unknown> {
  return { devices, pseudonyms, samples: samples.map((sample) => ({ ...sample, stored: rowValues(sample.stored) })) };
}
