import { expect, it } from "vitest";
import { LIVE_OPTIONS, needRestart } from "./changes.ts";
import { loadConfig } from "./load.ts";
import { optionRows } from "./options.ts";

const TOKEN = "correct-horse-battery-staple-0123456789";
const load = (env: Record<string, string> = {}) => loadConfig({ env });

it("names every option that differs, secrets as well, and none that is in force without a restart", () => {
  const next = load({
    CONSENTRY_HTTP_TOKEN: TOKEN,
    CONSENTRY_OBSERVE_LOG_LEVEL: "error",
    CONSENTRY_MQTT_TLS_CERT_FILE: "/other.pem",
    CONSENTRY_SINKS_RESIDENCY: "DE",
    CONSENTRY_MQTT_RATE_BURST: "77",
  });
  expect(needRestart(load(), next)).toEqual(["mqtt.rate.burst", "sinks.residency", "http.token"]);
  expect(needRestart(next, next)).toEqual([]);
});

it("knows no live option that the schema does not", () => {
  const known = new Set(optionRows().map(({ path }) => path.join(".")));
  expect(LIVE_OPTIONS.filter((option) => !known.has(option))).toEqual([]);
});
