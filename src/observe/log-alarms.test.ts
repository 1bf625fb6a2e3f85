import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { countingAlarms, LOG_ALARMS } from "./log-alarms.ts";

const SRC = fileURLToPath(new URL("..", import.meta.url));

it("counts a line by its code or its phrase, whatever its level but info, and passes every line on", () => {
  const written: string[] = [];
  const counted: string[] = [];
  const write = (event: string) => void written.push(event);
  const log = countingAlarms({ info: write, warn: write, error: write }, (alarm) => counted.push(alarm));
  log.error("request failed", { code: "LEDGER_BROKEN", stage: "http" });
  log.warn("batch failed, will be retried", { code: "SUBJECT_KEY_UNREADABLE" });
  log.error("clock is behind an earlier reading");
  log.info("export aborted");
  log.error("request failed", { code: "FAULT" });
  expect(counted).toEqual(["ledger-broken", "subject-key-unreadable", "batch-retried", "clock-behind"]);
  expect(written).toHaveLength(5);
});

it("knows phrases that the source really writes", () => {
  const sources = readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !/test\.ts$|log-alarms\.ts$/.test(file))
    .map((file) => readFileSync(`${SRC}/${file}`, "utf8"));
  for (const sign of Object.values(LOG_ALARMS)) {
    const phrase = "event" in sign ? `.(?:warn|error)\\(\\s*"${sign.event}"` : `"${sign.code}"`;
    expect(
      sources.some((text) => new RegExp(phrase).test(text)),
      phrase,
    ).toBe(true);
  }
});
