/**
 * Services that are given data, without HTTP: the same registry, rules and audit lines. Gateways that run take a change at once.
 *
 *   npm run services -- list [--json]
 *   npm run services -- put <name> --purpose <purpose>… --region IN --relation processor --recipient <name> [options]
 *   npm run services -- remove <name>
 *   npm run services -- token <name>                 issues one, and prints it this once
 *   npm run services -- revoke <name> <number>       ends one
 */
import "../platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import { serviceEntry } from "../config/outlet-options.ts";
import { Policies } from "../consent/policy/policies.ts";
import type { AuditActName } from "../model/audit.ts";
import { DAY_MS } from "../model/durations.ts";
import type { Log } from "../model/log.ts";
import { type NamedService, SERVICE_NAME, type ServiceEntry } from "../model/service.ts";
import { readKeysOf } from "../platform/keys/files.ts";
import { ServiceDirectory } from "../services/directory.ts";
import { type Changed, type Issued, type Refused, ServiceRegistry } from "../services/registry.ts";
import {
  COMMON_OPTIONS,
  COMMON_USAGE,
  type Operator,
  runCommand,
  UsageError,
  withOperator,
} from "./operator-command.ts";
import { say } from "./output.ts";

const USAGE = `Usage: npm run services -- <command> [options]

  list                       those of the configuration, and those that were registered
    --json                   one JSON object a line
  put <name>                 registers a service, or says what it may be given from now on; its tokens stay
    --purpose <purpose>      weather, scene or network; once for each, or none: then it gets nothing more
    --category <category>    it gets no more than these; once for each. Without any: all that its purposes use
    --region <code>          where it is run: ISO 3166, such as IN or IN-KA
    --relation <relation>    processor or third-party
    --recipient <name>       as the policy names it, word for word
    --contract <code>        of the contract with it; a processor needs one
    --connections <count>    at one time, to each gateway
    --publishes <count>      a second, to each gateway
  remove <name>              ends its tokens and cuts its connections
  token <name>               issues a token, its MQTT password, and prints it this once; at most two are good at one time
  revoke <name> <number>     ends a token and the connections that came with it
${COMMON_USAGE}`;
const OPTIONS = {
  ...COMMON_OPTIONS,
  json: { type: "boolean" },
  purpose: { type: "string", multiple: true },
  category: { type: "string", multiple: true },
  region: { type: "string" },
  relation: { type: "string" },
  recipient: { type: "string" },
  contract: { type: "string" },
  connections: { type: "string" },
  publishes: { type: "string" },
} as const;
type Options = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const PASSING = () => undefined;

const SECTIONS = ["services", "retention"] as const;
type Registrar = Operator<(typeof SECTIONS)[number]>;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [command = "", name = "", number = "", ...more] = positionals;
  if (more.length > 0) throw new UsageError();
  const withServices = (work: (operator: Registrar) => Promise<number>): Promise<number> =>
    withOperator(values, work, { sections: SECTIONS });
  if (command === "list" && name === "") return withServices((operator) => list(operator, values));
  if (!SERVICE_NAME.test(name) || (command !== "revoke" && number !== "")) throw new UsageError();
  if (command === "put") {
    const entry = entryFrom(values);
    return withServices((operator) => change(operator, "service-registered", name, (on) => on.put(name, entry)));
  }
  if (command === "remove")
    return withServices((operator) => change(operator, "service-removed", name, (on) => on.remove(name)));
  if (command === "token")
    return withServices((operator) => change(operator, "service-token-issued", name, (on) => on.issueToken(name)));
  if (command === "revoke" && /^[1-9][0-9]{0,8}$/.test(number))
    return withServices((operator) =>
      change(operator, "service-token-revoked", name, (on) => on.revokeToken(name, Number(number))),
    );
  throw new UsageError();
}

function entryFrom(options: Options): ServiceEntry {
  const { purpose: purposes = [], category: categories, region, relation, recipient, contract: contractRef } = options;
  const [maxConnections, publishesPerSecond] = [options.connections, options.publishes].map((text) =>
    text === undefined ? undefined : Number(text),
  );
  const given = { purposes, categories, region, relation, recipient, contractRef, maxConnections, publishesPerSecond };
  const entry = serviceEntry.safeParse(given);
  if (entry.success) return entry.data;
  process.stderr.write(
    `services: ${entry.error.issues.map(({ path, code }) => `${path.join(".")}: ${code}`).join("; ")}\n`,
  );
  throw new UsageError();
}

function directoryOf({ config, redis, keyspace }: Registrar): ServiceDirectory {
  const { token: tokenKey } = readKeysOf(config.keys.dir, ["token"]);
  const ports = { changed: PASSING, counted: PASSING, log: SILENT };
  return new ServiceDirectory(redis, keyspace, { tokenKey, file: config.services }, ports);
}

async function list(operator: Registrar, { json }: Options): Promise<number> {
  const directory = directoryOf(operator);
  await directory.refresh();
  for (const one of directory.all()) say(json ? JSON.stringify(one) : describe(one));
  return 0;
}

function describe({ name, origin, purposes, categories, region, relation, recipient, tokens }: NamedService): string {
  const given = `${purposes.join(" ") || "nothing"}${categories === undefined ? "" : ` (${categories.join(" ")})`}`;
  const issued = origin === "file" ? "" : `, tokens ${tokens.map(({ number }) => number).join(" ") || "none"}`;
  return `${name.padEnd(20)} ${origin.padEnd(9)} ${given}; ${recipient}, ${relation}, ${region}${issued}`;
}

async function change(
  operator: Registrar,
  act: AuditActName,
  name: string,
  work: (registry: ServiceRegistry) => Promise<Refused | Changed | Issued>,
): Promise<number> {
  const { config, redis, keyspace, acts } = operator;
  const directory = directoryOf(operator);
  const policies = new Policies(redis, keyspace);
  const { token: tokenKey } = readKeysOf(config.keys.dir, ["token"]);
  const result = await acts.perform<Refused | Changed | Issued>({
    act,
    asked: { service: name },
    needsJournal: true,
    refused: ({ refused }) => refused !== undefined,
    told: ({ refused }) => ({ service: name, ...(refused !== undefined && { code: refused }) }),
    work: (record) =>
      work(
        new ServiceRegistry(redis, keyspace, tokenKey, {
          newestPolicy: () => policies.newest(0),
          inFile: (one) => directory.inFile(one),
          journal: (service, hash, revision) => record({ what: "service-changed", service, hash, revision }),
          learn: PASSING,
          rememberedMs: config.retention.disclosureDays * DAY_MS,
          now: Date.now,
        }),
      ),
  });
  if (result.refused === undefined) {
    if ("token" in result) say(`${result.number} ${result.token}`);
    return 0;
  }
  const faults = (result.faults ?? []).map(({ path, code }) => `\n  ${path}: ${code}`);
  process.stderr.write(`services: ${result.refused}${faults.join("")}\n`);
  return 1;
}

runCommand("services", USAGE, main);
