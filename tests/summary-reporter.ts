/** Closes a run with one plain line, `N passed, N failed`, that a machine can read whatever the terminal. */
import type { Reporter, SerializedError, TestModule } from "vitest/node";

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const line = summaryLine(modules, unhandled.length);
    // On exit, so that it stands below everything the default reporter and the teardown have to say.
    process.once("exit", () => process.stdout.write(`${line}\n`));
  }
}

/** A module that failed to load or to set up counts as one failure: its tests never ran. */
function summaryLine(modules: readonly TestModule[], unhandled: number): string {
  const counts = { passed: 0, failed: unhandled, skipped: 0 };
  for (const module of modules) {
    if (module.errors().length > 0) counts.failed += 1;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed" || state === "failed" || state === "skipped") counts[state] += 1;
      else counts.failed += 1;
    }
  }
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}
