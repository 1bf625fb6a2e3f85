/**
 * Named tokens of the HTTP interface, each good for what its scopes say. Gateways that run follow at once; none of them has
 * to be started again.
 *
 *   npm run tokens -- create <name> --scope <scope>… [--expires <when>] [--out <file>]
 *   npm run tokens -- list [--json]
 *   npm run tokens -- rotate <name> [--overlap <time> | --end-old] [--expires <when>] [--out <file>]
 *   npm run tokens -- revoke <name> [<number>]
 */
import "../platform/no-debug-output.ts";
import { type FileHandle, open, rm } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { AuditActName, AuditDetail } from "../model/audit.ts";
import {
  type NamedToken,
  OVERLAP_MS,
  TOKEN_NAME,
  TOKEN_SCOPES,
  TOKENS_KNOWN_FOR_MS,
  type TokenRefusal,
  type TokenScope,
} from "../model/named-token.ts";
import { readKeysOf } from "../platform/keys/files.ts";
import { type Changed, type Made, type Refused, TokenRegistry } from "../tokens/registry.ts";
import {
  COMMON_OPTIONS,
  COMMON_USAGE,
  type Operator,
  runCommand,
  UsageError,
  withOperator,
} from "./operator-command.ts";
import { say, saySurely } from "./output.ts";
import { lengthOf, momentOf } from "./time-argument.ts";

const USAGE = `Usage: npm run tokens -- <command> [options]

  create <name>              makes a token and prints it this once
    --scope <scope>          ${TOKEN_SCOPES.join(", ")}; once for each
    --expires <when>         it ends then: 90d, 12h, or a day such as 2027-01-31; without it when it is revoked
    --out <file>             writes it to this new file, readable by you alone, instead of printing it
  list                       names, scopes, and the numbers and times of their tokens
    --json                   one JSON object a line
  rotate <name>              makes another one under the name; the one before stays good for a while, two at most
    --overlap <time>         for so long: 30m, 12h, 7d; 24h unless you say so, 30d at most
    --end-old                those before end at once
    --expires, --out         as for create
  revoke <name> [<number>]   ends all tokens of the name, or one of them. No gateway accepts it any more when this has ended
${COMMON_USAGE}`;
const OPTIONS = {
  ...COMMON_OPTIONS,
  scope: { type: "string", multiple: true },
  expires: { type: "string" },
  out: { type: "string" },
  json: { type: "boolean" },
  overlap: { type: "string" },
  "end-old": { type: "boolean" },
} as const;
type Options = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

const MEANINGS: Readonly<Record<TokenRefusal, string>> = {
  "name-taken": "there are tokens of this name; rotate makes another one",
  "unknown-token": "there is no such token",
  "two-tokens": "two are good already; revoke one by its number, or end both with --end-old",
  "too-many-tokens": "there are as many names as there may be; revoke one",
  conflict: "another change came in between; try again",
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [command = "", name = "", number, ...more] = positionals;
  if (more.length > 0) throw new UsageError();
  if (command === "list" && name === "") return withOperator(values, (operator) => list(operator, values));
  if (!TOKEN_NAME.test(name) || (command !== "revoke" && number !== undefined)) throw new UsageError();
  if (command === "create") {
    const [scopes, endsAt] = [scopesIn(values), expiryIn(values)];
    return withOperator(values, (operator) => create(operator, name, scopes, endsAt, values.out));
  }
  if (command === "rotate") {
    const [overlapMs, endsAt] = [overlapIn(values), expiryIn(values)];
    return withOperator(values, (operator) => rotate(operator, name, overlapMs, endsAt, values.out));
  }
  if (command === "revoke" && (number === undefined || /^[1-9][0-9]{0,8}$/.test(number)))
    return withOperator(values, (operator) =>
      revoke(operator, name, number === undefined ? undefined : Number(number)),
    );
  throw new UsageError();
}

function scopesIn({ scope = [] }: Options): TokenScope[] {
  const scopes = TOKEN_SCOPES.filter((one) => scope.includes(one));
  if (scopes.length === 0 || scopes.length !== new Set(scope).size) throw new UsageError();
  return scopes;
}

function expiryIn({ expires }: Options): number | undefined {
  if (expires === undefined) return undefined;
  const now = Date.now();
  const at = momentOf(expires, now);
  if (at === undefined || at <= now) throw new UsageError();
  return at;
}

function overlapIn({ overlap, "end-old": endOld }: Options): number {
  if (endOld === true && overlap !== undefined) throw new UsageError();
  const length = endOld === true ? 0 : overlap === undefined ? OVERLAP_MS.usual : lengthOf(overlap);
  if (length === undefined || length > OVERLAP_MS.highest) throw new UsageError();
  return length;
}

async function list(operator: Operator, { json }: Options): Promise<number> {
  const { tokens, unreadable } = await registryOf(operator).list();
  for (const one of tokens) say(json ? JSON.stringify(one) : describe(one, Date.now()));
  if (unreadable > 0) process.stderr.write(`tokens: ${unreadable} do not verify and open nothing\n`);
  return unreadable === 0 ? 0 : 1;
}

function describe({ name, scopes, issued }: NamedToken, now: number): string {
  const each = issued.map(({ number, issuedAt, endsAt }) => {
    const end = endsAt === undefined ? "" : `${endsAt <= now ? ", ended" : ", ends"} ${day(endsAt)}`;
    return `#${number} of ${day(issuedAt)}${end}`;
  });
  return `${name.padEnd(20)} ${scopes.join(" ")}; ${each.join("; ")}`;
}

function day(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16)}Z`;
}

function create(
  operator: Operator,
  name: string,
  scopes: readonly TokenScope[],
  endsAt: number | undefined,
  out: string | undefined,
): Promise<number> {
  const registry = registryOf(operator);
  return perform(operator, "http-token-created", { token: name, scopes: scopes.join("+") }, () =>
    handOver(registry, name, out, () => registry.create(name, scopes, endsAt)),
  );
}

async function rotate(
  operator: Operator,
  name: string,
  overlapMs: number,
  endsAt: number | undefined,
  out: string | undefined,
): Promise<number> {
  const registry = registryOf(operator);
  return perform(operator, "http-token-rotated", { token: name }, async () => {
    const made = await handOver(registry, name, out, () => registry.rotate(name, overlapMs, endsAt));
    if (made.refused === undefined && overlapMs === 0) await untilNoneKnowsIt();
    return made;
  });
}

function revoke(operator: Operator, name: string, number: number | undefined): Promise<number> {
  const registry = registryOf(operator);
  const detail = { token: name, ...(number !== undefined && { number }) };
  return perform(operator, "http-token-revoked", detail, async () => {
    const changed = await registry.revoke(name, number);
    if (changed.refused === undefined) await untilNoneKnowsIt();
    return changed;
  });
}

/** As a rule gateways know at once; after this one that missed it, or does not reach Redis, accepts no named token at all. */
async function untilNoneKnowsIt(): Promise<void> {
  await pause(TOKENS_KNOWN_FOR_MS);
}

/** A token that reaches no one is ended again: no one could use it, and no one would revoke it. */
async function handOver(
  registry: TokenRegistry,
  name: string,
  out: string | undefined,
  make: () => Promise<Refused | Made>,
): Promise<Refused | Made> {
  const file = out === undefined ? undefined : await open(out, "wx", 0o600);
  try {
    const made = await make();
    if (made.refused !== undefined) await removeFile(file, out);
    else
      await write(file, made).catch((error: unknown) =>
        registry.revoke(name, made.number).then(() => Promise.reject(error)),
      );
    return made;
  } catch (error) {
    await removeFile(file, out);
    throw error;
  } finally {
    await file?.close();
  }
}

async function write(file: FileHandle | undefined, { number, token }: Made): Promise<void> {
  if (file === undefined) return saySurely(`${number} ${token}`);
  await file.writeFile(`${token}\n`);
  await file.sync();
}

async function removeFile(file: FileHandle | undefined, out: string | undefined): Promise<void> {
  if (file !== undefined && out !== undefined) await rm(out, { force: true });
}

async function perform<Result extends Refused | Changed | Made>(
  operator: Operator,
  act: AuditActName,
  detail: AuditDetail,
  work: () => Promise<Result>,
): Promise<number> {
  const { refused } = await operator.acts.perform<Refused | Changed | Made>({
    act,
    asked: detail,
    refused: (result) => result.refused !== undefined,
    told: (result) => ({
      token: detail.token ?? "",
      ...(result.refused !== undefined && { code: result.refused }),
      ...("number" in result && { number: result.number }),
    }),
    work,
  });
  if (refused === undefined) return 0;
  process.stderr.write(`tokens: ${refused} (${MEANINGS[refused]})\n`);
  return 1;
}

function registryOf({ config, redis, keyspace }: Operator): TokenRegistry {
  return new TokenRegistry(redis, keyspace, readKeysOf(config.keys.dir, ["token"]).token, Date.now);
}

runCommand("tokens", USAGE, main);
