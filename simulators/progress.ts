/** Shows a run as it goes: one line that is redrawn on a terminal, a plain line every two seconds elsewhere. */
import type { SentLog } from "./sent-log.ts";

const BAR_WIDTH = 24;
const REDRAW_MS = 150;
const PLAIN_MS = 2_000;

/** Call the result to stop. */
export function showProgress(log: SentLog, durationMs: number, out: NodeJS.WriteStream): () => void {
  const startedAt = performance.now();
  const line = () => {
    const elapsedMs = Math.min(performance.now() - startedAt, durationMs);
    const sent = log.messages.length.toLocaleString("en");
    const waiting = log.unacknowledgedCount.toLocaleString("en");
    return {
      elapsedMs,
      text: `${(elapsedMs / 1000).toFixed(0).padStart(3)} s  ${sent} published, ${waiting} waiting for their PUBACK`,
    };
  };
  const draw = () => {
    const { elapsedMs, text } = line();
    const full = Math.round((elapsedMs / durationMs) * BAR_WIDTH);
    out.write(`\r  ${"█".repeat(full)}${"░".repeat(BAR_WIDTH - full)} ${text}\u001b[K`);
  };
  const print = () => out.write(`  ${line().text}\n`);
  const timer = out.isTTY ? setInterval(draw, REDRAW_MS) : setInterval(print, PLAIN_MS);
  return () => {
    clearInterval(timer);
    if (out.isTTY) out.write("\r\u001b[K");
  };
}

export function count(value: number): string {
  return value.toLocaleString("en");
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
