/**
 * Closes a run with one plain line, `N passed, N failed`, that a machine can read whatever the terminal. In CI
 * (`CI=true`) a skipped test fails the run: there no one is to believe that it passed.
 */
import type { Reporter, SerializedError, TestModule } from "vitest/node";

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const counts = countsOf(modules, unhandled.length);
    // On exit, so that it stands below everything the default reporter and the teardown have to say.
    process.once("exit", () => {
      if (mustFail(counts, process.env.CI)) process.exitCode = 1;
      process.stdout.write(`${summaryLine(counts)}\n`);
    });
  }
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What is skipped for want of a browser or a server is a hole in CI, where both can be had. */
function mustFail({ skipped }: Counts, ci: string | undefined): boolean {
  return skipped > 0 && ci === "true";
}

/** A module that failed to load or to set up counts as one failure: its tests never ran. */
function countsOf(modules: readonly TestModule[], unhandled: number): Counts {
  const counts = { passed: 0, failed: unhandled, skipped: 0 };
  for (const module of modules) {
    if (module.errors().length > 0) counts.failed += 1;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed" || state === "failed" || state === "skipped") counts[state] += 1;
      else counts.failed += 1;
    }
  }
  return counts;
}

function summaryLine(counts: Counts): string {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}
