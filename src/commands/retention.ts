/**
 * Lists or deletes data past their retention time; the gateway does the same by itself.
 *
 *   npm run retention -- --dry-run [--json]   lists what would be deleted now, changes nothing
 *   npm run retention [-- --json]             deletes it; exit code 1 when some of it could not be reached
 */
import "../platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import type { CommandConfig } from "../config/schema.ts";
import { Leases } from "../consent/fence/leases.ts";
import { standingHolds } from "../consent/ledger/holds.ts";
import { Keyring } from "../deidentify/keyring.ts";
import type { DamageKind } from "../model/damage.ts";
import { DAY_MS } from "../model/durations.ts";
import type { Log } from "../model/log.ts";
import type { SinkRetention } from "../model/sink.ts";
import { readKeysOf } from "../platform/keys/files.ts";
import { DeadLetters } from "../queue/dead-letters.ts";
import { Envelope } from "../queue/envelope.ts";
import { HeldSubjects } from "../rights/holds/held-subjects.ts";
import { type Retention, type RetentionResult, retentionDetail } from "../rights/retention/retention.ts";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { createRetention } from "../wiring/retention.ts";
import { createSink } from "../wiring/store.ts";
import { COMMON_OPTIONS, COMMON_USAGE, type Operator, runCommand, withOperator } from "./operator-command.ts";
import { say } from "./output.ts";

const USAGE = `Usage: npm run retention -- [options]

  --dry-run                only report what would be deleted
  --json                   one JSON object a line
${COMMON_USAGE}`;

/** Failures are printed line by line. */
const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

const SECTIONS = ["queue", "consent", "deidentify", "properties", "sinks", "retention"] as const;
type Retainer = Operator<(typeof SECTIONS)[number]>;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { ...COMMON_OPTIONS, "dry-run": { type: "boolean" }, json: { type: "boolean" } },
  });
  return withOperator(values, (operator) => carryOut(operator, values), { sections: SECTIONS });
}

async function carryOut(
  operator: Retainer,
  values: { readonly "dry-run"?: boolean; readonly json?: boolean },
): Promise<number> {
  const { config, redis, keyspace } = operator;
  const vocabulary = new Vocabulary(config.properties);
  const rows = createSink({ config, vocabulary, redis, keyspace, log: SILENT }).retention;
  rows.start();
  try {
    const retention = retentionOf(operator, rows);
    const never = new AbortController().signal;
    const results = values["dry-run"]
      ? await retention.plan(never)
      : await operator.acts.perform({
          act: "retention-run",
          work: () => retention.run("operator", never),
          told: retentionDetail,
        });
    for (const result of results) say(values.json ? JSON.stringify(result) : describe(result));
    if (!values.json) say(epochNote(operator.config));
    return results.some(({ state }) => state === "failed") ? 1 : 0;
  } finally {
    rows.stop();
  }
}

function retentionOf({ config, redis, keyspace, acts }: Retainer, rows: SinkRetention): Retention {
  const names = ["master", "nextMaster", "pepper", "queue"] as const;
  const { master, nextMaster, pepper, queue } = readKeysOf(config.keys.dir, names);
  const auditLog = acts.log;
  return createRetention({
    config,
    redis,
    keyspace,
    keyring: new Keyring({
      masterKey: master,
      otherMasterKeys: nextMaster === undefined ? [] : [nextMaster],
      pepper,
    }),
    leases: new Leases(redis, keyspace, { leaseMs: config.consent.leaseMs }),
    rows,
    deadLetters: new DeadLetters(redis, keyspace, new Envelope(queue), { maxBytes: config.queue.deadLetterBytes }),
    holds: new HeldSubjects(redis, keyspace, (tag) => standingHolds(redis, keyspace, tag)),
    auditLog,
    // The run itself stands in the log as an act of the operator.
    audit: {
      note: async (act) => {
        if (act.act !== "retention-run") await auditLog.append(act);
      },
    },
    damaged: tellDamage,
    log: SILENT,
  });
}

/** Printed once for each kind. */
const told = new Set<DamageKind>();
function tellDamage(kind: DamageKind): void {
  if (!told.has(kind)) process.stderr.write(`retention: continued without a damaged record (${kind})\n`);
  told.add(kind);
}

function describe({ kind, state, count }: RetentionResult): string {
  return `${kind.padEnd(16)} ${state.padEnd(11)} ${count ?? "unknown"}`;
}

/** The name of a past epoch exists only in its rows, so it is deleted with them. */
function epochNote({ deidentify, retention }: Pick<CommandConfig, "deidentify" | "retention">): string {
  const oldest = Date.now() - Math.max(retention.deviceStatusDays, retention.deviceLocationDays) * DAY_MS;
  return `no device name is left from before epoch ${Math.floor(oldest / (deidentify.epochDays * DAY_MS))}`;
}

runCommand("retention", USAGE, main);
