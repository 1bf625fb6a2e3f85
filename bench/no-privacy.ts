/**
 * The gateway with consent always granted and batches left readable, to see what the two cost. It exists
 * for the bench alone: the product has no switch for this, and everything else here is the product's own.
 */
import { parseArgs } from "node:util";
import { loadConfig } from "../src/config/load.ts";
import { Keyring } from "../src/deidentify/keyring.ts";
import { createGateway, type Overrides } from "../src/gateway.ts";
import { grantsOf, type Verdict } from "../src/model/consent.ts";
import { createLog } from "../src/observe/logger.ts";
import { type Keys, readKeys } from "../src/platform/key-files.ts";

const { values } = parseArgs({ options: { config: { type: "string" } } });
const config = loadConfig({ file: values.config, env: {} });
const keys = readKeys(config.keys.dir, config.keys);
const log = createLog(config.observe.logLevel);

const stopping = new AbortController();
const gateway = createGateway(config, keys, log, fail, passThrough(keys));
process.once("SIGTERM", () => stopping.abort());
process.on("uncaughtException", fail);
await gateway.start(stopping.signal);
log.info("ready", { durability: gateway.durability ?? "none" });
if (!stopping.signal.aborted) {
  await new Promise<void>((resolve) => stopping.signal.addEventListener("abort", () => resolve(), { once: true }));
}
await gateway.stop();
process.exit();

/** One subject key stands for all; pseudonyms still differ, because every device has a key of its own. */
function passThrough(secrets: Keys): Overrides {
  const wrappedSubjectKey = new Keyring({ masterKey: secrets.master, pepper: secrets.pepper }).createSubjectKey();
  const grants = grantsOf({
    analytics: ["model", "location", "status"],
    weather: ["location", "status"],
    scene: ["model", "status"],
  });
  const granted: Verdict = { grants, wrappedSubjectKey };
  return {
    checkConsent: (devices) => Promise.resolve(devices.map(() => granted)),
    envelope: { seal: (text) => ({ k: "none", s: text }), open: ({ s }) => s },
  };
}

function fail(error: Error): void {
  process.stderr.write(`${error.stack ?? error.message}\n`);
  process.exitCode = 1;
  stopping.abort();
}
