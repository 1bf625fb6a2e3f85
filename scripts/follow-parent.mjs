/** Loaded before a program that bootstrap.mjs starts: when bootstrap is killed outright, the program gets a SIGTERM. */
import { isMainThread } from "node:worker_threads";

const parent = process.env.BOOTSTRAP_PID;
// Workers and forks of the program inherit the arguments too; only the program itself is meant.
if (isMainThread && process.connected && parent === String(process.ppid)) {
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  process.channel?.unref();
}
if (isMainThread) delete process.env.BOOTSTRAP_PID;
