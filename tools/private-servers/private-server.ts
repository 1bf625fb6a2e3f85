/**
 * One server process of our own on loopback, with everything it keeps in one folder.
 * It can be killed and started again on the same port and data, and it does not outlive this process:
 *  - an ordinary exit of this process, an uncaught error included, stops it (exit hook);
 *  - on Linux the kernel stops it when this process is killed outright (`setpriv --pdeathsig`);
 *  - whatever slipped through is found by the pid file in the folder and stopped by the next start there.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "./free-port.ts";
import { forget, type Identity, record, stopLeftover } from "./leftover.ts";
import { PrivateServerError } from "./private-server-error.ts";
import { onPath, type Say } from "./service-binaries.ts";

export interface PrivateServer {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  /** Of the running process; of the last one while it is down. */
  readonly pid: number;
  /** Absolute. Holds data, configuration, `<name>.log`, `<name>.pid`, and in `<name>.url` where it answers, or did last. */
  readonly dir: string;
  readonly running: boolean;
  /** Sends the signal and resolves when the process is gone. Nothing to do while it is down. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts again on the same port and data; resolves when it answers. Nothing to do while it runs. */
  start(): Promise<void>;
  /** SIGTERM, and SIGKILL when that takes longer than 10 s. May be called twice. */
  stop(): Promise<void>;
}

export interface ServerRecipe {
  /** `redis`, `influxdb`: names the log and pid file. */
  readonly name: string;
  readonly binary: string;
  /** Must contain the absolute `dir`: that is how a leftover is told from a stranger with a reused pid. */
  readonly args: (port: number) => readonly string[];
  readonly url: (port: number) => string;
  /** Writes configuration before every start. */
  readonly prepare: (port: number) => Promise<void>;
  /** Besides that of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether it answers; called again and again until it does. */
  readonly ready: (port: number) => Promise<boolean>;
}

const READY_DEADLINE_MS = 120_000;
const STOP_DEADLINE_MS = 10_000;
const POLL_MS = 20;

/** Throws `SERVICE_FAILED` when it does not answer within two minutes, or when a living process already uses `dir`. */
export async function launch(
  recipe: ServerRecipe,
  options: { dir: string; say: Say; port?: number | undefined },
): Promise<PrivateServer> {
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await stopLeftover(identity(recipe, dir), options.say);
  const address = join(dir, `${recipe.name}.url`);
  // Between choosing a free port and binding it another process may take it: choose again.
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (attempt === 1 ? await freePort(earlierPort(address)) : await freePort());
    const server = new OwnServer(recipe, dir, port);
    try {
      await server.start();
      writeFileSync(address, `${server.url}\n`, { mode: 0o600 });
      options.say(`private ${recipe.name} on ${recipe.url(port)}, data in ${dir}`);
      return server;
    } catch (fault) {
      if (options.port !== undefined || attempt === 3) throw fault;
    }
  }
}

function identity({ name, binary }: ServerRecipe, dir: string): Identity {
  return { name, binary, dir };
}

class OwnServer implements PrivateServer {
  readonly #recipe: ServerRecipe;
  readonly dir: string;
  readonly port: number;
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();
  #pid = 0;
  readonly #atExit = () => {
    this.#child?.kill("SIGTERM");
  };

  constructor(recipe: ServerRecipe, dir: string, port: number) {
    this.#recipe = recipe;
    this.dir = dir;
    this.port = port;
  }

  get name(): string {
    return this.#recipe.name;
  }

  get url(): string {
    return this.#recipe.url(this.port);
  }

  get pid(): number {
    return this.#pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    await this.#recipe.prepare(this.port);
    await this.#spawn();
    const deadline = performance.now() + READY_DEADLINE_MS;
    while (!(await this.#recipe.ready(this.port))) {
      if (this.#child === undefined) throw this.#failed("ended while starting");
      if (performance.now() > deadline) {
        await this.stop();
        throw this.#failed("does not answer");
      }
      await wait(POLL_MS);
    }
    // Something else on this port may have answered in its place.
    if (this.#child === undefined) throw this.#failed("ended while starting");
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.#child?.kill(signal);
    await this.#gone;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.kill("SIGTERM");
    const overdue = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
    await this.#gone;
    clearTimeout(overdue);
  }

  async #spawn(): Promise<void> {
    const logFile = openSync(join(this.dir, `${this.name}.log`), "a", 0o600);
    const [command, ...args] = tiedToThisProcess([this.#recipe.binary, ...this.#recipe.args(this.port)]);
    // In a process group of its own: a Ctrl-C at the terminal must not stop it before the gateway has drained.
    const env = { ...process.env, ...this.#recipe.environment };
    const child = spawn(command, args, { cwd: this.dir, env, stdio: ["ignore", logFile, logFile], detached: true });
    closeSync(logFile);
    await new Promise<void>((done, fail) => {
      child.once("spawn", done);
      child.once("error", (cause) => fail(this.#failed("could not be started", cause)));
    });
    this.#child = child;
    this.#pid = child.pid ?? 0;
    record(identity(this.#recipe, this.dir), this.#pid, this.url);
    process.once("exit", this.#atExit);
    this.#gone = new Promise((done) => {
      child.once("exit", () => {
        this.#child = undefined;
        process.off("exit", this.#atExit);
        forget(identity(this.#recipe, this.dir));
        done();
      });
    });
  }

  #failed(what: string, cause?: unknown): PrivateServerError {
    return new PrivateServerError("SERVICE_FAILED", `${this.name} ${what}; see ${join(this.dir, `${this.name}.log`)}`, {
      cause,
    });
  }
}

/** `setpriv` becomes the program it is given, so the pid stays the one we spawned. */
function tiedToThisProcess(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  const setpriv = process.platform === "linux" ? onPath("setpriv") : undefined;
  return setpriv === undefined ? command : [setpriv, "--pdeathsig", "TERM", "--", ...command];
}

/** That of the last run on this folder, so that commands and bookmarks stay good; 0 when there was none. */
function earlierPort(file: string): number {
  try {
    return Number(new URL(readFileSync(file, "utf8").trim()).port);
  } catch {
    return 0;
  }
}
