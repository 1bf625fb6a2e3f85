/**
 * The operator's command for messages that were set aside:
 *
 *   npm run dead-letters -- list            one line each, without content
 *   npm run dead-letters -- inspect <id>    field names and types, never values
 *   npm run dead-letters -- replay <id|all> back into the queue: consent is checked and everything is de-identified anew
 *   npm run dead-letters -- purge <id|all>  gone for good
 */
import "../platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import type { AuditActName } from "../model/audit.ts";
import { DEAD_LETTER_REASONS } from "../model/outcome.ts";
import { readKeys } from "../platform/key-files.ts";
import { connectRedis } from "../platform/redis.ts";
import { type DeadLetter, DeadLetters, type Spared } from "../queue/dead-letters.ts";
import { Envelope } from "../queue/envelope.ts";
import { KnownJobs } from "../queue/known-jobs.ts";
import { Producer } from "../queue/producer.ts";
import { heldLetters } from "../wiring/held-devices.ts";
import { COMMON_OPTIONS, COMMON_USAGE, runCommand, UsageError, withOperator } from "./operator-command.ts";

const USAGE = `Usage: npm run dead-letters -- <command> [options]

  list               every message set aside: id, when, why, how many
  inspect <id>       what it holds, by name and type only
  replay <id|all>    back into the queue; consent is checked anew
  purge <id|all>     removes it for good

${COMMON_USAGE}`;

interface Tools {
  readonly letters: DeadLetters;
  readonly producer: Producer;
  /** Neither replayed nor purged: a replay is refused under a hold, and then the message would be gone. */
  readonly held: Spared;
  /** With its lines in the audit log, unless there is nothing to do. */
  perform(act: AuditActName, count: number, work: () => Promise<void>): Promise<void>;
}

type Command = (tools: Tools, id: string | undefined) => Promise<string[]>;

const COMMANDS: Readonly<Record<string, Command>> = {
  list: async ({ letters }) => {
    const all = await collect(letters);
    all.sort((left, right) => left.at - right.at);
    return all.length === 0 ? ["nothing was set aside"] : all.map(describe);
  },
  inspect: async ({ letters }, id) => {
    const [letter] = await select(letters, id);
    if (letter === undefined) return ["no such dead letter"];
    const shapes = letter.reason === "unopenable" ? [] : letters.shapes(letter);
    return [
      describe(letter),
      `  ${DEAD_LETTER_REASONS[letter.reason]}`,
      ...shapes.map((shape) => `  ${JSON.stringify(shape)}`),
    ];
  },
  replay: async ({ letters, producer, held, perform }, id) => {
    const { free, kept } = apart(await select(letters, id), held);
    await perform("dead-letters-replayed", free.length, async () => {
      for (const letter of free) {
        // First into the queue, then out of here: interrupted in between it is tried twice, and stores the same.
        await producer.add(letter.sealed, letter.messages);
        await letters.remove(letter);
      }
    });
    return [`${free.length} put back into the queue`, ...kept];
  },
  purge: async ({ letters, held, perform }, id) => {
    const { free, kept } = apart(await select(letters, id), held);
    await perform("dead-letters-purged", free.length, async () => {
      for (const letter of free) await letters.remove(letter);
    });
    return [`${free.length} removed`, ...kept];
  },
};

function apart(selected: readonly DeadLetter[], held: Spared): { free: DeadLetter[]; kept: string[] } {
  const free = selected.filter((letter) => !held(letter));
  const count = selected.length - free.length;
  return { free, kept: count === 0 ? [] : [`${count} left as they are, under a legal hold`] };
}

async function select(letters: DeadLetters, id: string | undefined): Promise<DeadLetter[]> {
  if (id === "all") return collect(letters);
  const letter = id === undefined ? undefined : await letters.get(id);
  return letter === undefined ? [] : [letter];
}

async function collect(letters: DeadLetters): Promise<DeadLetter[]> {
  const all: DeadLetter[] = [];
  for await (const letter of letters.list()) all.push(letter);
  return all;
}

function describe({ id, at, reason, messages }: DeadLetter): string {
  return `${id}  ${new Date(at).toISOString()}  ${reason}  ${messages} message${messages === 1 ? "" : "s"}`;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: COMMON_OPTIONS, allowPositionals: true });
  const [name = "", id] = positionals;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined || (name !== "list" && id === undefined)) throw new UsageError();
  return withOperator(values, async ({ config, redis, keys, acts }) => {
    const envelope = new Envelope(readKeys(config.keys.dir, { create: false }).queue);
    const queue = connectRedis(config.redis.url, "producer");
    const uncounted = { recovered: () => undefined, handedOver: () => undefined };
    const producer = new Producer(queue, keys, envelope, new KnownJobs(uncounted));
    try {
      await queue.connect();
      await producer.start();
      const lines = await command(
        {
          letters: new DeadLetters(redis, keys, envelope, { maxBytes: config.queue.deadLetterBytes }),
          producer,
          held: await heldLetters(redis, keys),
          perform: (act, count, work) =>
            count === 0 ? Promise.resolve() : acts.perform({ act, asked: { count }, work, told: () => ({ count }) }),
        },
        id,
      );
      process.stdout.write(`${lines.join("\n")}\n`);
      await producer.stop();
      return 0;
    } finally {
      queue.disconnect();
    }
  });
}

runCommand("dead-letters", USAGE, main);
