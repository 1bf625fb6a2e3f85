/** Two projects: `unit` needs nothing but Node; `integration` runs on a real Redis and a real InfluxDB. */
import { basename } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * What the names of files begin with that take longer than their size tells: begun last, as short files are, they would leave the
 * other workers with nothing to do. The longest first. A long file that is long to read as well needs no place here.
 */
const LONG = [
  "race withdrawal- upgrade. puback- places mutated- attacks erasure-killed a-rolled-back a-redis-that counters",
  "damage-stops dead-letters. debug-output demo examples- fleet-dialects golden-cases services-command",
].flatMap((names) => names.split(" "));
/** Their place in the list; all others come behind it. */
const turnOf = ({ moduleId }: TestSpecification): number => {
  const turn = LONG.findIndex((begin) => basename(moduleId).startsWith(begin));
  return turn < 0 ? LONG.length : turn;
};

class LongOnesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => turnOf(one) - turnOf(other));
  }
}

export default defineConfig({
  test: {
    reporters: ["default", "./tests/summary-reporter.ts"],
    sequence: { sequencer: LongOnesFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["{src,tools,simulators,attacks,bench,examples,tests}/**/*.test.ts"],
          exclude: ["tests/{integration,faults}/**"],
          pool: "threads",
          // Modules of ours are loaded anew for each file all the same; packages once a thread, which was half of all the time.
          isolate: false,
          maxWorkers: 2,
          // Ends what hangs; how long something takes on a busy machine is no test's business.
          testTimeout: 150_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          name: "integration",
          // `faults`: what once went wrong, one file a kind.
          include: ["tests/{integration,faults}/**/*.test.ts"],
          globalSetup: ["tests/integration-setup.ts"],
          setupFiles: ["tests/fetch-setup.ts"],
          // Each file brings its own servers; processes, so that a file that dies takes only its own with it.
          pool: "forks",
          // More than half of their time they wait for servers and clocks: four of them keep two cores busy.
          maxWorkers: 4,
          testTimeout: 240_000,
          hookTimeout: 240_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
