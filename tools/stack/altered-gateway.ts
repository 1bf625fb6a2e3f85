/**
 * Runs a gateway with something taken away, to measure what that costs or to show that its absence would be
 * noticed; the product has no switch for this.
 */
import "../../src/platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { createGateway, type Overrides } from "../../src/gateway.ts";
import { createLog } from "../../src/observe/logger.ts";
import { type Keys, readKeys } from "../../src/platform/keys/files.ts";

/** `altered`: a configuration that the product would not accept, of the one that it did. */
export async function runAltered(
  overridesFor: (keys: Keys) => Overrides = () => ({}),
  altered: (config: Config) => Config = (config) => config,
): Promise<never> {
  const { values } = parseArgs({ options: { config: { type: "string" } } });
  const config = altered(loadConfig({ file: values.config, env: process.env }));
  const keys = readKeys(config.keys.dir, config.keys);
  const log = createLog(config.observe.logLevel);
  const stopping = new AbortController();
  const fail = (error: Error): void => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    process.exitCode = 1;
    stopping.abort();
  };

  const gateway = createGateway(config, keys, log, fail, overridesFor(keys));
  process.once("SIGTERM", () => stopping.abort());
  process.on("uncaughtException", fail);
  await gateway.start(stopping.signal);
  log.info("ready", { durability: gateway.durability ?? "none" });
  if (!stopping.signal.aborted) {
    await new Promise<void>((resolve) => stopping.signal.addEventListener("abort", () => resolve(), { once: true }));
  }
  await gateway.stop();
  process.exit();
}
