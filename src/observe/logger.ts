/**
 * JSON lines on stdout, built from an allow-list: only known fields, codes and whole numbers appear, whatever the
 * caller's types say. The last barrier that keeps personal data out of a log file.
 */
import { type DestinationStream, destination as openDestination, pino } from "pino";
import type { Log, LogFields } from "../model/log.ts";
import { VERSION } from "./version.ts";

export type LogLevel = "info" | "warn" | "error" | "silent";

/** A log whose level can be changed while it is written. */
export interface LevelledLog extends Log {
  useLevel(level: LogLevel): void;
}

const WORD = "[a-z]+[0-9]{0,2}";
const CONSTANT = "[A-Z]+[0-9]{0,3}";
/** `no-consent`, `SINK_UNAVAILABLE`, `TimeoutError`: never an address, a coordinate, a serial number or a hash. */
const CODE = new RegExp(`^(?:${WORD}(?:-${WORD})*|${CONSTANT}(?:_(?:${CONSTANT}|[0-9]{1,3}))*|(?:[A-Z][a-z]+)+)$`);
/** The name of a part or recurring job, in words of the source: `dead letter count`, `cellActivity`. */
const STAGE = /^[a-z]+(?:[A-Z][a-z]+)*(?:[ -][a-z]+)*$/;
/** An option of the configuration, and entries of lists by their number: `mqtt.tls.certFile`, `dialects.0`. */
const OPTION = /^[a-z]+(?:[A-Z][a-z]+)*[46]?(?:\.(?:[a-z]+[46]?(?:[A-Z][A-Za-z]*)*|\d{1,3}))*$/;
const REGION = /^[A-Z]{2}(?:-[A-Z0-9]{1,3})?$/;
const VERSION_NUMBER = /^\d{1,5}(?:\.\d{1,5}){0,2}(?:-[a-z]+(?:\.\d{1,3})?)?$/;
const HOST = /^[A-Za-z0-9.:_-]+$/;
const PHRASE = /^[A-Za-z][A-Za-z0-9 ,;'()/-]{0,79}$/;
const MAX_TEXT = 64;

const FIELDS = {
  code: CODE,
  reason: CODE,
  stage: STAGE,
  option: OPTION,
  purpose: CODE,
  listener: CODE,
  sink: CODE,
  region: REGION,
  state: CODE,
  durability: CODE,
  version: VERSION_NUMBER,
  signal: CODE,
  host: HOST,
  port: "number",
  status: "number",
  line: "number",
  count: "number",
  bytes: "number",
  attempt: "number",
  durationMs: "number",
  deadlineMs: "number",
} as const satisfies Record<keyof LogFields, RegExp | "number">;

/** `destination` replaces stdout. Lines are written synchronously, so the last one before an exit is not lost. */
export function createLog(
  level: LogLevel,
  destination: DestinationStream = openDestination({ dest: 1, sync: true }),
): LevelledLog {
  const lines = pino(
    {
      level,
      base: { name: "consentry" },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const write = (severity: "info" | "warn" | "error", event: string, fields: LogFields | undefined) => {
    lines[severity]({ version: VERSION, ...allowed(fields) }, PHRASE.test(event) ? event : "event withheld");
  };
  return {
    info: (event, fields) => write("info", event, fields),
    warn: (event, fields) => write("warn", event, fields),
    error: (event, fields) => write("error", event, fields),
    useLevel: (next) => {
      lines.level = next;
    },
  };
}

function allowed(fields: LogFields | undefined): Record<string, string | number> {
  const kept: Record<string, string | number> = {};
  if (fields === undefined) return kept;
  for (const [name, rule] of Object.entries(FIELDS)) {
    const value: unknown = fields[name as keyof LogFields];
    if (rule === "number") {
      // Whole numbers only: a coordinate has decimals.
      if (typeof value === "number" && Number.isFinite(value)) kept[name] = Math.round(value);
    } else if (typeof value === "string" && value.length <= MAX_TEXT && rule.test(value)) {
      kept[name] = value;
    }
  }
  // An address in a log line may only be that of one of our listeners.
  if (kept.listener === undefined) delete kept.host;
  return kept;
}
