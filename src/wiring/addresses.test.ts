import { expect, test } from "vitest";
import { configSchema } from "../config/schema.ts";
import { addressLines, hearListeners } from "./addresses.ts";

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

function linesOf(config: unknown, listening: readonly [listener: string, host: string, port: number][]): string[] {
  const { log, listeners } = hearListeners(SILENT);
  for (const [listener, host, port] of listening) log.info("listening", { listener, host, port });
  log.info("ready");
  return addressLines(configSchema.parse(config), listeners);
}

test("each listener is shown with the port it took, and a command that shows the stored rows", () => {
  expect(
    linesOf({}, [
      ["mqtt-tcp", "127.0.0.1", 40001],
      ["http", "0.0.0.0", 40002],
    ]),
  ).toEqual([
    "  MQTT      mqtt://127.0.0.1:40001",
    "  HTTP      http://localhost:40002/",
    "  docs      http://localhost:40002/docs",
    "  centre    http://localhost:40002/centre/  (a link opens it: docs/privacy-centre.md)",
    "  metrics   http://localhost:40002/metrics",
    "  InfluxDB  curl -G http://127.0.0.1:8086/query --data-urlencode db=consentry --data-urlencode 'q=SELECT * FROM device_status ORDER BY time DESC LIMIT 5'",
  ]);
});

test("what is not served is not shown, an IPv6 address has brackets, and metrics stand where they are", () => {
  const lines = linesOf({ centre: { enabled: false }, sinks: { influx: { username: "reader", password: "secret" } } }, [
    ["mqtt-tls", "::1", 8883],
    ["http", "::1", 8080],
    ["metrics", "127.0.0.1", 9464],
  ]);
  expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
    ["MQTT", "mqtts://[::1]:8883"],
    ["HTTP", "http://[::1]:8080/"],
    ["docs", "http://[::1]:8080/docs"],
    ["metrics", "http://127.0.0.1:9464/metrics"],
  ]);
});

test("a name of a database with a quote in it stays one word of the shell", () => {
  const [line = ""] = linesOf({ sinks: { influx: { database: "tom's; rm" } } }, []);
  expect(line).toContain(`--data-urlencode 'db=tom'\\''s; rm'`);
});
