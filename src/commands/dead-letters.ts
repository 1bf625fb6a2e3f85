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
import { DEAD_LETTER_REASONS } from "../model/outcome.ts";
import { DeadLetterActs, type LettersDone } from "../operations/dead-letters.ts";
import { readKeysOf } from "../platform/keys/files.ts";
import { connectRedis } from "../platform/redis.ts";
import { type DeadLetter, DeadLetters } from "../queue/dead-letters.ts";
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

type Command = (acts: DeadLetterActs, id: string) => Promise<string[]>;

const COMMANDS: Readonly<Record<string, Command>> = {
  list: async (acts) => {
    const all = await acts.list();
    return all.length === 0 ? ["no dead letters"] : all.map(describe);
  },
  inspect: async (acts, id) => {
    const found = await acts.inspect(id);
    if (found === undefined) return ["no such dead letter"];
    const { letter, shapes } = found;
    return [
      describe(letter),
      `  ${DEAD_LETTER_REASONS[letter.reason]}`,
      ...shapes.map((shape) => `  ${JSON.stringify(shape)}`),
    ];
  },
  replay: async (acts, id) => said(await acts.replay(id), "put back into the queue"),
  purge: async (acts, id) => said(await acts.purge(id), "removed"),
};

function said({ done, held }: LettersDone, what: string): string[] {
  return [`${done} ${what}`, ...(held === 0 ? [] : [`${held} left unchanged, under a legal hold`])];
}

function describe({ id, at, reason, messages }: DeadLetter): string {
  return `${id}  ${new Date(at).toISOString()}  ${reason}  ${messages} message${messages === 1 ? "" : "s"}`;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: COMMON_OPTIONS, allowPositionals: true });
  const [name = "", id = ""] = positionals;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined || (name !== "list" && id === "")) throw new UsageError();
  return withOperator(values, (operator) => carryOut(operator, command, id), { sections: ["queue", "consent"] });
}

async function carryOut(
  { config, redis, keyspace, acts }: Operator<"queue" | "consent">,
  command: Command,
  id: string,
): Promise<number> {
  const envelope = new Envelope(readKeysOf(config.keys.dir, ["queue"]).queue);
  const queue = connectRedis(config.redis.url, "producer");
  const uncounted = { recovered: () => undefined, handedOver: () => undefined };
  const producer = new Producer(queue, keyspace, envelope, new KnownJobs(uncounted));
  try {
    await queue.connect();
    await producer.start();
    const lines = await command(
      new DeadLetterActs({
        letters: new DeadLetters(redis, keyspace, envelope, { maxBytes: config.queue.deadLetterBytes }),
        producer,
        held: () => heldLetters(redis, keyspace),
        guard: deletionGuard(new Leases(redis, keyspace, { leaseMs: config.consent.leaseMs })),
        perform: (act, count, work) => acts.perform({ act, asked: { count }, work, told: (done) => ({ count: done }) }),
      }),
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
