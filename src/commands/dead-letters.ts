/**
 * The operator's command for dead letters:
 *
 *   npm run dead-letters -- list            one line each, without content
 *   npm run dead-letters -- inspect <id>    field names and types, never values
 *   npm run dead-letters -- replay <id|all> back into the queue: consent is checked and everything is de-identified again
 *   npm run dead-letters -- purge <id|all>  deletes for good
 */
import "../platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import { Leases } from "../consent/fence/leases.ts";
import type { AuditActName } from "../model/audit.ts";
import type { Guard, Spared } from "../model/letters.ts";
import { DEAD_LETTER_REASONS } from "../model/outcome.ts";
import { readKeysOf } from "../platform/keys/files.ts";
import { connectRedis } from "../platform/redis.ts";
import { type DeadLetter, DeadLetters, subjectsOf } from "../queue/dead-letters.ts";
import { Envelope } from "../queue/envelope.ts";
import { KnownJobs } from "../queue/known-jobs.ts";
import { Producer } from "../queue/producer.ts";
import { deletionGuard, heldLetters } from "../rights/holds/held-devices.ts";
import {
  COMMON_OPTIONS,
  COMMON_USAGE,
  type Operator,
  runCommand,
  UsageError,
  withOperator,
} from "./operator-command.ts";
import { say } from "./output.ts";

const USAGE = `Usage: npm run dead-letters -- <command> [options]

  list               every dead letter: id, time, reason, number of messages
  inspect <id>       its fields, only names and types
  replay <id|all>    puts it back into the queue; consent is checked again
  purge <id|all>     deletes it for good

${COMMON_USAGE}`;

const AT_A_TIME = 100;

interface Tools {
  readonly letters: DeadLetters;
  readonly producer: Producer;
  /** Neither replayed nor purged: a replay is refused under a hold, and then the message would be lost. */
  readonly held: () => Promise<Spared>;
  readonly guard: Guard;
  /** Writes the lines in the audit log: the intended number, and the number reached. */
  perform(act: AuditActName, count: number, work: () => Promise<number>): Promise<unknown>;
}

type Command = (tools: Tools, id: string | undefined) => Promise<string[]>;

const COMMANDS: Readonly<Record<string, Command>> = {
  list: async ({ letters }) => {
    const all = await collect(letters);
    all.sort((left, right) => left.at - right.at);
    return all.length === 0 ? ["no dead letters"] : all.map(describe);
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
  replay: async (tools, id) => {
    const { letters, producer } = tools;
    const { done, kept } = await each(tools, "dead-letters-replayed", id, async ({ id: one }) => {
      // A concurrent replay finds it claimed; what no key can open is of no use in the queue.
      const letter = await letters.claim(one);
      if (letter?.sealed === undefined) return false;
      // First into the queue, then removed here: if interrupted in between it is processed twice, with the same result.
      await producer.add(letter.sealed, letter.messages);
      await letters.remove(letter);
      return true;
    });
    return [`${done} put back into the queue`, ...kept];
  },
  purge: async (tools, id) => {
    const { done, kept } = await each(tools, "dead-letters-purged", id, (letter) => tools.letters.remove(letter));
    return [`${done} removed`, ...kept];
  },
};

/** In groups, reading the holds again for each: meanwhile placing a hold on these subjects is not answered. */
async function each(
  { letters, held, guard, perform }: Tools,
  act: AuditActName,
  id: string | undefined,
  work: (letter: DeadLetter) => Promise<boolean>,
): Promise<{ done: number; kept: string[] }> {
  const selected = await select(letters, id);
  const spared = await held();
  let [done, left] = [0, 0];
  const count = selected.filter((letter) => !spared(letter)).length;
  const all = async (): Promise<number> => {
    for (let at = 0; at < selected.length; at += AT_A_TIME) {
      const some = selected.slice(at, at + AT_A_TIME);
      await guard(subjectsOf(some), async () => {
        const now = await held();
        for (const letter of some) {
          if (now(letter)) left += 1;
          else done += Number(await work(letter));
        }
      });
    }
    return done;
  };
  if (count > 0) await perform(act, count, all);
  else left = selected.length;
  return { done, kept: left === 0 ? [] : [`${left} left unchanged, under a legal hold`] };
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
  return withOperator(values, (operator) => carryOut(operator, command, id), { sections: ["queue", "consent"] });
}

async function carryOut(
  { config, redis, keyspace, acts }: Operator<"queue" | "consent">,
  command: Command,
  id: string | undefined,
): Promise<number> {
  const envelope = new Envelope(readKeysOf(config.keys.dir, ["queue"]).queue);
  const queue = connectRedis(config.redis.url, "producer");
  const uncounted = { recovered: () => undefined, handedOver: () => undefined };
  const producer = new Producer(queue, keyspace, envelope, new KnownJobs(uncounted));
  try {
    await queue.connect();
    await producer.start();
    const lines = await command(
      {
        letters: new DeadLetters(redis, keyspace, envelope, { maxBytes: config.queue.deadLetterBytes }),
        producer,
        held: () => heldLetters(redis, keyspace),
        guard: deletionGuard(new Leases(redis, keyspace, { leaseMs: config.consent.leaseMs })),
        perform: (act, count, work) => acts.perform({ act, asked: { count }, work, told: (done) => ({ count: done }) }),
      },
      id,
    );
    say(lines.join("\n"));
    await producer.stop();
    return 0;
  } finally {
    queue.disconnect();
  }
}

runCommand("dead-letters", USAGE, main);
