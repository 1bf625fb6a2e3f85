/**
 * Debug output of Node and of packages shows the data they process: payloads, ids, addresses, tokens. Every program
 * imports this file before anything else, and it switches that output off.
 *
 * Packages read `DEBUG` when they are loaded, so removing it before is enough. Node reads `NODE_DEBUG` before any of
 * our code runs: there only the output can be blocked.
 */
import { url as inspectorUrl } from "node:inspector";

const SWITCHES = ["DEBUG", "NODE_DEBUG", "NODE_DEBUG_NATIVE"];

/** Output of Node that no code can stop: TLS keys, memory, requests. */
const REVEALING_OPTIONS = [
  "--tls-keylog",
  "--trace-tls",
  "--trace-event-categories",
  "--trace-events-enabled",
  "--heapsnapshot-signal",
  "--heapsnapshot-near-heap-limit",
  "--abort-on-uncaught-exception",
];

const WRONG_USAGE = 2;

// biome-ignore lint/style/noProcessEnv: before any other module is loaded, and before a child process inherits it
silence(process.env);

function silence(env: NodeJS.ProcessEnv): void {
  const given = [...process.execArgv, ...(env.NODE_OPTIONS ?? "").split(/[\s"]+/)];
  const revealing = REVEALING_OPTIONS.find((option) =>
    given.some((one) => one.replaceAll("_", "-").split("=")[0] === option),
  );
  if (revealing !== undefined) {
    process.stderr.write(`CONFIG_INVALID: ${revealing}: would output what devices send\n`);
    process.exit(WRONG_USAGE);
  }
  const ignored = SWITCHES.filter((name) => (env[name] ?? "") !== "");
  if (ignored.includes("NODE_DEBUG")) closeDebugLog();
  for (const name of SWITCHES) delete env[name];
  if (stopReports()) ignored.push("diagnostic reports");
  if (ignored.length > 0)
    process.stderr.write(`consentry: ignored, because it would show what devices send: ${ignored.join(", ")}\n`);
  // An inspector is never opened by accident, and shows nothing until a client connects.
  if (inspectorUrl() !== undefined)
    process.stderr.write("consentry: an inspector is open: anyone who can reach its port can read what devices send\n");
}

/** `util.debuglog` writes `SET pid: …`, always in one call; the number may be coloured. */
function closeDebugLog(): void {
  const begins = new RegExp(`^[^\\n]{1,128} (?:\\u001b\\[\\d+m)?${process.pid}(?:\\u001b\\[\\d+m)?: `);
  const { stderr } = process;
  const write = stderr.write.bind(stderr) as (...args: unknown[]) => boolean;
  stderr.write = ((chunk: unknown, ...more: unknown[]): boolean => {
    if (typeof chunk === "string" && begins.test(chunk)) return true;
    return write(chunk, ...more);
  }) as typeof stderr.write;
}

/**
 * A diagnostic report contains the environment, and with it secrets, and the start of the unhandled value. True when
 * one was configured.
 */
function stopReports(): boolean {
  const { report } = process;
  const asked = report.reportOnFatalError || report.reportOnUncaughtException || report.reportOnSignal;
  report.reportOnFatalError = false;
  report.reportOnUncaughtException = false;
  report.reportOnSignal = false;
  return asked;
}
