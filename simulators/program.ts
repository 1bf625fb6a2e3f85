/** What the programs share that play a scene to its end: numbers among their options, Ctrl-C, exit codes. */
import { InvalidArgumentError } from "commander";

/** Reads an option that is a whole number from `least` on. */
export function whole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`a whole number from ${least} on is needed.`);
  };
}

/**
 * Runs it with a signal that the first Ctrl-C or SIGTERM fires; the second ends the process. Exit code 0 or 1 by what it answers, 1
 * after a fault, whose message is printed, and 130 once it was stopped.
 */
export async function runProgram(run: (signal: AbortSignal) => Promise<boolean>): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(130);
      process.stderr.write("\nstopping; once more to stop at once\n");
      stopping.abort();
    });
  }
  try {
    process.exitCode = (await run(stopping.signal)) ? 0 : 1;
  } catch (error) {
    process.exitCode = stopping.signal.aborted ? 130 : 1;
    if (!stopping.signal.aborted) process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
}
