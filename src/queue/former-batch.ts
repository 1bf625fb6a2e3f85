/**
 * What a version of before the vocabulary has sealed, as ours would have taken it: of `status` only what the vocabulary
 * knows, and no counter. Those rest in it as totals, and no one knows any more from which total a difference would count.
 */
import type { StatusFields } from "../model/deidentified.ts";
import { carriedBy, type RawMessage, type RawTelemetry } from "../model/raw.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";

/** Always as many: a message of which nothing is left is refused by consent, and so has its place in the books. */
export function asTakenToday(
  messages: readonly RawMessage[],
  vocabulary: Pick<Vocabulary, "take" | "get">,
): RawMessage[] {
  return messages.map((message) => {
    const telemetry = takenOf(message.telemetry, vocabulary);
    return { ...message, telemetry, carried: carriedBy(telemetry) };
  });
}

function takenOf(telemetry: RawTelemetry, vocabulary: Pick<Vocabulary, "take" | "get">): RawTelemetry {
  if (telemetry.status === undefined) return telemetry;
  const { status: given, ...rest } = telemetry;
  const taken = vocabulary.take(given, () => undefined);
  // Account data refuses the message as a whole.
  if (typeof taken === "string") return { ts: rest.ts, id: rest.id };
  const status = withoutCounters(taken.status ?? {}, vocabulary);
  return Object.keys(status).length === 0 ? rest : { ...rest, status };
}

function withoutCounters(status: StatusFields, vocabulary: Pick<Vocabulary, "get">): StatusFields {
  return Object.fromEntries(Object.entries(status).filter(([key]) => vocabulary.get(key)?.kind !== "counter"));
}
