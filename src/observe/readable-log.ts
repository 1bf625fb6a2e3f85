/**
 * The log for a person at a terminal: the same lines as the JSON of `logger.ts`, with the same fields and no others, in
 * words. Programs that read the log get JSON, as always.
 */
import type { DestinationStream } from "pino";

/** In every line, and of no use to who has just started the program. */
const LEFT_OUT: ReadonlySet<string> = new Set(["level", "time", "name", "version", "msg"]);

/** `print` gets whole lines, each with its end. Times are those of this machine. */
export function readableLines(print: (text: string) => void): DestinationStream {
  return { write: (line) => print(`${readable(line)}\n`) };
}

/** `14:03:20 warn  a token opens everything  code=…` */
function readable(line: string): string {
  const fields = JSON.parse(line) as Record<string, string | number>;
  const { level, time, msg } = fields;
  const rest = Object.entries(fields).filter(([name]) => !LEFT_OUT.has(name));
  const details = rest.map(([name, value]) => `${name}=${value}`).join(" ");
  return `${clock(String(time))} ${String(level).padEnd(5)} ${msg}${details && `  ${details}`}`;
}

function clock(time: string): string {
  const [hours, minutes, seconds] = [new Date(time)].flatMap((at) => [at.getHours(), at.getMinutes(), at.getSeconds()]);
  return [hours, minutes, seconds].map((part) => String(part).padStart(2, "0")).join(":");
}
