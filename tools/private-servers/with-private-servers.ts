/**
 * Runs a Node program with a private Redis and InfluxDB: starts the servers, hands the program their URLs in its
 * environment, passes signals and the exit code on, and stops the servers when the program has ended. With `--attach` those
 * of an `npm start` that runs are used, and left running.
 *
 *   node --import tsx tools/private-servers/with-private-servers.ts [--attach] [node options] <program> [arguments]
 */
import "../../src/platform/no-debug-output.ts";
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { PrivateServerError } from "./private-server-error.ts";
import { attachPrivateServices, startPrivateServices } from "./start.ts";

/** Ends the program when this process is killed outright. */
const FOLLOW_PARENT = new URL("../../scripts/follow-parent.mjs", import.meta.url).href;
const PASSED_ON = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

async function main(command: readonly string[]): Promise<number> {
  const attach = command[0] === "--attach";
  const services = await (attach ? attachPrivateServices : startPrivateServices)(process.env);
  try {
    return await run(attach ? command.slice(1) : command, services.env);
  } finally {
    await services.stop();
  }
}

/** Resolves with the exit code, 128 + number after a signal. */
function run(command: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const child = spawn(process.execPath, ["--import", FOLLOW_PARENT, ...command], {
    // In a process group of its own: a Ctrl-C at the terminal reaches it once, through this process.
    detached: true,
    env: { ...env, BOOTSTRAP_PID: String(process.pid) },
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const known = error instanceof PrivateServerError;
    process.stderr.write(
      `${known ? error.message : `private servers: ${(error as { code?: string }).code ?? error}`}\n`,
    );
    process.exit(1);
  },
);
