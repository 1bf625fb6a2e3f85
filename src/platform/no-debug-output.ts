/**
 * Debug output of Node and of packages shows what passes through them: payloads, ids, addresses, tokens. Every
 * program of ours imports this before anything else, and it is gone.
 *
 * Packages read `DEBUG` when they are loaded, so it is enough that it is not there by then. `NODE_DEBUG` is read
 * before any code of ours runs: of that only the way out can be closed.
 */
import { url as inspectorUrl } from "node:inspector";

const SWITCHES = ["DEBUG", "NODE_DEBUG", "NODE_DEBUG_NATIVE"];

/** What Node would write down and no code can stop: keys of connections, memory, requests. */
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
    process.stderr.write(`CONFIG_INVALID: ${revealing}: would write down what devices send\n`);
    process.exit(WRONG_USAGE);
  }
  const ignored = SWITCHES.filter((name) => (env[name] ?? "") !== "");
  if (ignored.includes("NODE_DEBUG")) closeDebugLog();
  for (const name of SWITCHES) delete env[name];
  if (stopReports()) ignored.push("diagnostic reports");
  if (ignored.length > 0)
    process.stderr.write(`consentry: ignored, as it would show what devices send: ${ignored.join(", ")}\n`);
  // Nobody opens one by accident, and it shows nothing until somebody connects to it.
  if (inspectorUrl() !== undefined)
    process.stderr.write("consentry: an inspector is open: whoever reaches its port reads what devices send\n");
}

/** `util.debuglog` writes `SET pid: …`, each time in one piece; the number may be coloured. */
function closeDebugLog(): void {
  const begins = new RegExp(`^[^\\n]{1,128} (?:\\u001b\\[\\d+m)?${process.pid}(?:\\u001b\\[\\d+m)?: `);
  const { stderr } = process;
  const write = stderr.write.bind(stderr) as (...args: unknown[]) => boolean;
  stderr.write = ((chunk: unknown, ...more: unknown[]): boolean => {
    if (typeof chunk === "string" && begins.test(chunk)) return true;
    return write(chunk, ...more);
  }) as typeof stderr.write;
}

/** A report holds the environment, and with it secrets, and the beginning of what could not be handled. True when one was asked for. */
function stopReports(): boolean {
  const { report } = process;
  const asked = report.reportOnFatalError || report.reportOnUncaughtException || report.reportOnSignal;
  report.reportOnFatalError = false;
  report.reportOnUncaughtException = false;
  report.reportOnSignal = false;
  return asked;
}
