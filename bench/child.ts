/**
 * A bench part in a process of its own, asked over the process channel: one typed request, one
 * answer. Separate processes are what makes CPU per part measurable.
 */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { nodeFlags } from "../src/platform/node-flags.ts";

/** What a child answers to: request name → function of one argument. */
export type Commands = Record<string, (argument: never) => unknown>;

interface Request {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}
type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string };

/** In the child: answers requests until the parent goes away, then ends the process. */
export function answer(commands: Commands): void {
  process.on("message", async (request: Request) => {
    process.send?.(await replyTo(commands, request));
  });
  process.on("disconnect", () => process.exit(0));
}

async function replyTo(commands: Commands, request: Request): Promise<Reply> {
  try {
    const command = commands[request.name];
    if (command === undefined) throw new Error(`no such command: ${request.name}`);
    return { id: request.id, value: await command(request.argument as never) };
  } catch (error) {
    return { id: request.id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** In the parent: the other end of `answer`. */
export class Child<Table extends Commands> {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  readonly #ended: Promise<void>;
  #lastId = 0;

  /** `file` is relative to the bench folder. */
  constructor(file: string, nodeOptions: readonly string[] = []) {
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
      // The flags of the gateway for everything it is compared with, so that none has an advantage by them.
      execArgv: [...nodeFlags(), "--import", "tsx", ...nodeOptions],
      serialization: "advanced",
    });
    this.#process.on("message", (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ("error" in reply) waiting?.reject(new Error(reply.error));
      else waiting?.resolve(reply.value);
    });
    this.#ended = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`${file} ended: ${signal ?? code}`));
        this.#waiting.clear();
        resolve();
      });
    });
  }

  get pid(): number {
    const { pid } = this.#process;
    if (pid === undefined) throw new Error("the process could not be started");
    return pid;
  }

  ask<Name extends keyof Table & string>(
    name: Name,
    argument: Parameters<Table[Name]>[0],
  ): Promise<Awaited<ReturnType<Table[Name]>>> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as Awaited<ReturnType<Table[Name]>>), reject });
      this.#process.send({ id, name, argument } satisfies Request, (error) => {
        if (error === null) return;
        this.#waiting.delete(id);
        reject(error);
      });
    });
  }

  /** Lets the child end by itself (a profiler writes its file then), and insists after ten seconds. */
  async stop(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    const insist = setTimeout(() => this.#process.kill("SIGKILL"), 10_000);
    await this.#ended;
    clearTimeout(insist);
  }
}
