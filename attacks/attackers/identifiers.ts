/** A10: what could point at a person and came through, letter by letter. */
import type { Attack } from "./attack.ts";

const DAY_MS = 86_400_000;

export const identifiersPassed: Attack = {
  name: "A10",
  what: "identifiers in keys, texts, numbers and models that came through",
  goal: 0,
  run({ recording }) {
    // They are sent on the first day.
    const inTime = ({ at }: { readonly at: number }) => at < recording.run.startsAt + 2 * DAY_MS;
    const all = [
      ...recording.rows.filter(inTime).map(({ line }) => line),
      ...recording.packets.filter(inTime).map(({ topic, payload }) => `${topic} ${JSON.stringify(payload)}`),
      recording.metrics,
    ].join("\n");
    const tries = recording.truth.filter((one) => one.about === "identifier");
    const passed = tries.filter(({ text }) => all.includes(text));
    const detail: Record<string, number> = {};
    for (const { as } of passed) detail[as] = (detail[as] ?? 0) + 1;
    return { hits: passed.length, trials: tries.length, control: 0, detail };
  },
};
