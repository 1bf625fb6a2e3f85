/**
 * The real gateway as a child process: built from its sources, observed by its log lines alone,
 * and killed as roughly as a test wishes. Its output is kept in a file for the leak scan.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { nodeFlags } from "../../src/platform/node-flags.ts";
import { builtProgram } from "./built-program.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;

export type ListenerName = "mqtt-tcp" | "mqtt-tls" | "mqtt-ws" | "http" | "metrics" | "console";

export interface GatewayProcessOptions {
  readonly configFile: string;
  /** Standard output and error are appended to it. */
  readonly logFile: string;
  /** `CONSENTRY_…` variables that override the file. Those of this process are not passed on. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** For Node itself: `["--max-old-space-size=96"]`. */
  readonly nodeArgs?: readonly string[] | undefined;
  /** Program to run in the gateway's place, below the repository; it must log as the gateway does. */
  readonly entry?: string | undefined;
  /** Built already, with what comes before its options: runs instead of `entry`. */
  readonly program?: readonly string[] | undefined;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Resolves when the gateway is ready; rejects with its last words when it ends or takes more than two minutes. */
export async function startGateway(options: GatewayProcessOptions): Promise<GatewayProcess> {
  await mkdir(dirname(options.logFile), { recursive: true });
  const log = createWriteStream(options.logFile, { flags: "a" });
  const program = options.program ?? [await builtProgram(options.entry ?? "src/main.ts")];
  const child = spawn(
    process.execPath,
    [
      ...nodeFlags(),
      ...(options.nodeArgs ?? []),
      // Ends the gateway when this process is killed outright.
      "--import",
      join(ROOT, "scripts", "follow-parent.mjs"),
      ...program,
      "--config",
      options.configFile,
    ],
    {
      cwd: ROOT,
      // A Ctrl-C at the terminal must reach the process that started this one first, and through it the gateway.
      detached: true,
      env: { ...inheritedEnvironment(), ...options.env, BOOTSTRAP_PID: String(process.pid) },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    },
  );
  return await readiness(child, log);
}

export class GatewayProcess {
  /** What a PUBACK promises, as the gateway found it. */
  readonly durability: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #ports: ReadonlyMap<string, number>;

  /** Use {@link startGateway}. */
  constructor(child: ChildProcess, exited: Promise<Exit>, ports: ReadonlyMap<string, number>, durability: string) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.exited = exited;
    this.#ports = ports;
    this.durability = durability;
  }

  /** Throws when there is no such listener. */
  port(listener: ListenerName): number {
    const port = this.#ports.get(listener);
    if (port === undefined) throw new Error(`the gateway has no listener ${listener}`);
    return port;
  }

  get listeners(): ReadonlyMap<string, number> {
    return this.#ports;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Sends the signal; resolves with how the process ended. */
  async kill(signal: NodeJS.Signals): Promise<Exit> {
    this.#child.kill(signal);
    return this.exited;
  }

  /** SIGTERM, then SIGKILL after a minute. */
  async stop(): Promise<Exit> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    const exit = await this.kill("SIGTERM");
    clearTimeout(timer);
    return exit;
  }

  /** Pauses or continues the process (SIGSTOP, SIGCONT) without waiting for anything. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

function readiness(child: ChildProcess, log: WriteStream): Promise<GatewayProcess> {
  const ports = new Map<string, number>();
  const lastWords: string[] = [];
  const atExit = () => void child.kill("SIGKILL");
  process.once("exit", atExit);
  const exited = new Promise<Exit>((resolve) => {
    child.once("close", (code, signal) => {
      process.off("exit", atExit);
      log.end(() => resolve({ code, signal }));
    });
  });
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`the gateway ${why}\n${lastWords.join("\n")}`));
    };
    const timer = setTimeout(() => fail("was not ready in time"), READY_TIMEOUT_MS);
    child.once("error", () => fail("could not be started"));
    void exited.then(({ code, signal }) => fail(`ended with ${code ?? signal} before it was ready`));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        log.write(`${line}\n`);
        lastWords.push(line);
        if (lastWords.length > 20) lastWords.shift();
        const event = logLine(line);
        if (event?.msg === "listening" && event.listener !== undefined && event.port !== undefined) {
          ports.set(event.listener, event.port);
        } else if (event?.msg === "ready") {
          clearTimeout(timer);
          resolve(new GatewayProcess(child, exited, ports, event.durability ?? "unknown"));
        }
      });
    }
  });
}

interface LogLine {
  readonly msg?: string;
  readonly listener?: string;
  readonly port?: number;
  readonly durability?: string;
}

function logLine(line: string): LogLine | undefined {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return undefined;
  }
}

/** Without the variables that would override the configuration file. */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  // Handed on to a child process, not read.
  const entries = Object.entries(process.env);
  return Object.fromEntries(
    entries.filter(([name]) => !name.startsWith("CONSENTRY_") && name !== "REDIS_URL" && name !== "INFLUX_URL"),
  );
}
