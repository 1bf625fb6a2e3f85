/**
 * Flags for the Node process that runs the gateway, from config/node-flags.json: every way to start it (npm start, the
 * container, the simulators, the bench) reads them there.
 *
 * A gateway under load holds many short-lived messages: a large young generation collects them in fewer passes, and a
 * single collecting thread needs less CPU where cores are few. See docs/decisions/009-node-flags.md.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const NODE_FLAGS_FILE = fileURLToPath(new URL("../../config/node-flags.json", import.meta.url));

export function nodeFlags(): string[] {
  return JSON.parse(readFileSync(NODE_FLAGS_FILE, "utf8")) as string[];
}
