/** Options of traces: whether there are any, where they go, and what may wait. */
import { z } from "zod";
import { count, flag, milliseconds, optionalPath, plainHttpUrl, secret, share } from "./leaves.ts";

export const tracingOptions = z.strictObject({
  enabled: flag(
    false,
    "Tell a collector of OpenTelemetry how long batches take, step by step. A trace holds counts, codes and durations, and nothing of a device or a person.",
  ),
  endpoint: plainHttpUrl
    .default("http://127.0.0.1:4318/v1/traces")
    .meta({ description: "Where they go, by OTLP over HTTP (JSON): the whole address, path included." }),
  headers: secret(
    3,
    "Headers of each request, a line each: `name: value`. What the collector wants to see, such as a token.",
  ),
  headersFile: optionalPath("File that holds these headers, readable by its owner alone."),
  sampleRatio: share(0.01, 1, "Share of batches that are traced."),
  everyMs: milliseconds(500, 5_000, 60_000, "How long finished spans wait for more of them."),
  timeoutMs: milliseconds(
    100,
    5_000,
    30_000,
    "A request without an answer by then, repetitions included, has failed, and its spans are gone.",
  ),
  queueSpans: count(
    256,
    4_096,
    65_536,
    "Spans that may wait or be in a request; a trace that finds no room is dropped.",
    "spans",
  ),
});

const MOST_HEADERS = 16;
const HEADER = /^([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)$/;

/** `undefined` when it is not what the option asks for. */
export function headersOf(text = ""): Readonly<Record<string, string>> | undefined {
  const lines = text.split(/\r?\n/).filter((line) => line !== "");
  const headers = lines.flatMap((line) => {
    const [, name, value] = HEADER.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name.toLowerCase(), value] as const];
  });
  const names = new Set(headers.map(([name]) => name));
  const isWhole = headers.length === lines.length && names.size === lines.length;
  return isWhole && lines.length <= MOST_HEADERS ? Object.fromEntries(headers) : undefined;
}
