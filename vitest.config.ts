/** Two projects: `unit` needs nothing but Node; `integration` runs on a real Redis and a real InfluxDB. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    reporters: ["default", "./tests/summary-reporter.ts"],
    projects: [
      {
        test: {
          name: "unit",
          include: ["{src,tools,simulators,bench,tests}/**/*.test.ts"],
          exclude: ["tests/{integration,faults}/**"],
          pool: "threads",
          maxWorkers: 2,
          testTimeout: 20_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "integration",
          // `faults`: what once went wrong, one file a kind.
          include: ["tests/{integration,faults}/**/*.test.ts"],
          globalSetup: ["tests/integration-setup.ts"],
          // Each file brings its own servers; processes, so that a file that dies takes only its own with it.
          pool: "forks",
          // Half of their time they wait for servers and clocks: three of them keep two cores busy.
          maxWorkers: 3,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
