/**
 * A service of `examples/services` as the program that it is, started as anyone would start it, with a wiretap on its line. It knows the
 * gateway from outside alone; what it says of itself when it ends is its own account of the run.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { builtProgram } from "../../tools/stack/built-program.ts";
import { eventually } from "../concurrency.ts";
import { Wiretap } from "./wiretap.ts";

const PROGRAM = "examples/services/main.ts";
const FOLLOW_PARENT = fileURLToPath(new URL("../../scripts/follow-parent.mjs", import.meta.url));
const CONNECT_MS = 15_000;
const STOP_MS = 10_000;

export interface ProgramOptions {
  readonly purpose: "weather" | "scene";
  readonly mqttUrl: string;
  readonly name: string;
  readonly tokenFile: string;
  readonly args: readonly string[];
  /** All that it prints is left here. */
  readonly logDir: string;
}

export class ServiceProgram {
  readonly #options: ProgramOptions;
  readonly #wiretap: Wiretap;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #printed = { stdout: "", stderr: "" };

  private constructor(options: ProgramOptions, wiretap: Wiretap, child: ChildProcess) {
    this.#options = options;
    this.#wiretap = wiretap;
    this.#child = child;
    this.#closed = once(child, "close");
    for (const name of ["stdout", "stderr"] as const)
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        this.#printed[name] += text;
      });
  }

  /** Resolves once it listens to its purpose. */
  static async start(options: ProgramOptions): Promise<ServiceProgram> {
    const { purpose, mqttUrl, name, tokenFile, args } = options;
    const file = await builtProgram(PROGRAM);
    const wiretap = await Wiretap.before(mqttUrl);
    const login = ["--broker", wiretap.url, "--name", name, "--token-file", tokenFile];
    const child = spawn(
      process.execPath,
      ["--import", FOLLOW_PARENT, file, purpose, ...login, "--longest-pause", "0.5", "--json", ...args],
      {
        // A Ctrl-C at the terminal reaches this process first.
        detached: true,
        env: { PATH: process.env.PATH, BOOTSTRAP_PID: String(process.pid) },
        stdio: ["ignore", "pipe", "pipe", "ipc"],
      },
    );
    const program = new ServiceProgram(options, wiretap, child);
    const ended = () => child.exitCode !== null || child.signalCode !== null;
    await eventually(() => ended() || /instance 0: connected/.test(program.#printed.stderr), CONNECT_MS);
    if (/instance 0: connected/.test(program.#printed.stderr)) return program;
    await program.stop();
    throw new Error(`the ${purpose} service does not listen: ${program.#printed.stderr.trim()}`);
  }

  get purpose(): ProgramOptions["purpose"] {
    return this.#options.purpose;
  }

  /** Every byte that it received and sent, and all that it printed. */
  get bytes(): Buffer {
    const { stdout, stderr } = this.#printed;
    return Buffer.concat([this.#wiretap.bytes(), Buffer.from(stdout + stderr)]);
  }

  /** Of one that has ended: its own account, the only line of its stdout. */
  get summary(): Readonly<Record<string, unknown>> {
    const { stdout, stderr } = this.#printed;
    if (stdout === "")
      throw new Error(`the ${this.#options.purpose} service gave no account of itself: ${stderr.trim()}`);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    const { logDir, purpose } = this.#options;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await this.#closed;
    clearTimeout(timer);
    await this.#wiretap.stop();
    await mkdir(logDir, { recursive: true });
    await writeFile(join(logDir, `${purpose}-service.log`), this.#printed.stderr + this.#printed.stdout);
  }
}
