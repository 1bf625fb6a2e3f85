/**
 * Takes what an older version has stored to the schema of this one; every gateway must be stopped:
 *
 *   npm run upgrade -- --dry-run   what would be done, and changes nothing
 *   npm run upgrade -- --yes       does it; interrupted it is begun again, and goes on where it was
 */
import "../platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import { standingHolds } from "../consent/ledger/holds.ts";
import { Keyring } from "../deidentify/keyring.ts";
import type { DamageKind } from "../model/damage.ts";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import { SCHEMA, UNNUMBERED } from "../model/schema.ts";
import { readKeys } from "../platform/keys/files.ts";
import { rememberProperties } from "../platform/known-properties.ts";
import { raiseBarrier, requireOurs, schemaIn, writeSchema } from "../platform/schema.ts";
import { DeadLetters } from "../queue/dead-letters.ts";
import { Envelope } from "../queue/envelope.ts";
import { type Resealed, resealBatches, resealLetters } from "../queue/reseal.ts";
import { holdsInstallation } from "../rights/backup/installation.ts";
import { heldLetters } from "../rights/holds/held-devices.ts";
import { HeldSubjects } from "../rights/holds/held-subjects.ts";
import { RestoreMarker } from "../rights/restore/marker.ts";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { type FormerRows, FormerStore } from "../wiring/former-store.ts";
import { namesUnderHold } from "../wiring/retention.ts";
import {
  COMMON_OPTIONS,
  COMMON_USAGE,
  type Operator,
  runCommand,
  UsageError,
  withOperator,
} from "./operator-command.ts";
import { say as sayLine } from "./output.ts";

const USAGE = `Usage: npm run upgrade -- --dry-run | --yes [options]

  Takes the installation to schema ${SCHEMA}. Rows of devices in the store go, all of them: they hold free names and texts,
  exact numbers and totals, and InfluxDB can take none of that out of a row. Export them first if you need them, with
  the version that wrote them. Rows and set-aside messages under a legal hold stay as they are. What waits in the queue is
  sealed again with what the vocabulary knows, without totals. Consent, audit log, erasures and keys stay as they are.

  --dry-run                say what would be done, change nothing
  --yes                    do it; not without a backup taken before
${COMMON_USAGE}`;

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

interface Done {
  readonly batches: Resealed;
  readonly letters: Resealed;
  readonly rows: FormerRows;
}

const SECTIONS = ["sinks", "properties", "queue"] as const;
type Upgrader = Operator<(typeof SECTIONS)[number]>;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { ...COMMON_OPTIONS, "dry-run": { type: "boolean" }, yes: { type: "boolean" } },
  });
  const dryRun = values["dry-run"] === true;
  if (dryRun === (values.yes === true)) throw new UsageError();
  return withOperator(values, (operator) => upgrade(operator, dryRun), { anySchema: true, sections: SECTIONS });
}

async function upgrade(operator: Upgrader, dryRun: boolean): Promise<number> {
  const { config, redis, keyspace, acts } = operator;
  const store = new FormerStore(config, SILENT);
  // Before anything is changed: a store that is away would leave the installation between two versions.
  await store.start();
  try {
    const unnumbered = (await holdsInstallation(redis, keyspace)) ? UNNUMBERED : SCHEMA;
    const [inRedis, inStore] = [(await schemaIn(redis, keyspace)) ?? unnumbered, store.schema];
    for (const [where, number] of [["redis", inRedis] as const, ["the store", inStore] as const])
      if (number > SCHEMA) requireOurs(where, number);
    if (inRedis === SCHEMA && inStore === SCHEMA) return say([`nothing to do: schema ${SCHEMA}`]);
    if (dryRun) return say(report(await carryOut(operator, store, dryRun), dryRun));
    const done = await alone(operator, () =>
      acts.perform({
        act: "schema-upgraded",
        asked: { from: Math.min(inRedis, inStore), to: SCHEMA },
        work: () => carryOut(operator, store, dryRun),
        told: ({ batches, letters, rows }) => ({
          batches: batches.resealed,
          letters: letters.resealed,
          emptied: batches.emptied + letters.emptied,
          locked: batches.locked + letters.locked,
          held: letters.held,
          heldNames: rows.held,
          rows: rows.outcome,
        }),
      }),
    );
    return say(report(done, dryRun));
  } finally {
    await store.stop();
  }
}

/** As a restore is: no gateway works and none starts. The number comes last, so that whatever is interrupted is begun again. */
async function alone(operator: Upgrader, work: () => Promise<Done>): Promise<Done> {
  const { config, redis, keyspace } = operator;
  const marker = new RestoreMarker(redis, keyspace);
  const before = await marker.raise().catch((error: unknown) => {
    const refused = error instanceof GatewayError && error.code === "RESTORE_REFUSED";
    throw refused ? new GatewayError("UPGRADE_REFUSED", error.message.replace("RESTORE_REFUSED: ", "")) : error;
  });
  try {
    if (before !== "staging") throw new GatewayError("RESTORE_UNFINISHED", "restoring");
    await raiseBarrier(redis, keyspace);
    const done = await work();
    marker.held();
    await rememberProperties(redis, keyspace, new Vocabulary(config.properties).properties);
    await writeSchema(redis, keyspace);
    // What was sealed again must not live on in the append-only file for longer than it takes to write a new one.
    await redis.bgrewriteaof().catch(() => undefined);
    return done;
  } finally {
    await marker.lower(false);
  }
}

async function carryOut({ config, redis, keyspace }: Upgrader, store: FormerStore, dryRun: boolean): Promise<Done> {
  const { master, nextMaster, pepper, queue } = readKeys(config.keys.dir, { create: false });
  const envelope = new Envelope(queue);
  const parts = { redis, keyspace, envelope, vocabulary: new Vocabulary(config.properties), dryRun };
  const deadLetters = new DeadLetters(redis, keyspace, envelope, { maxBytes: config.queue.deadLetterBytes });
  const batches = await resealBatches(parts);
  const letters = await resealLetters(parts, deadLetters, await heldLetters(redis, keyspace, tellDamage));
  const held = namesUnderHold({
    redis,
    keyspace,
    keyring: new Keyring({ masterKey: master, otherMasterKeys: nextMaster === undefined ? [] : [nextMaster], pepper }),
    holds: new HeldSubjects(redis, keyspace, (tag) => standingHolds(redis, keyspace, tag)),
    damaged: tellDamage,
  });
  return { batches, letters, rows: await store.clear(await held, dryRun) };
}

function report({ batches, letters, rows }: Done, dryRun: boolean): string[] {
  const locked = batches.locked + letters.locked;
  return [
    `${dryRun ? "would upgrade" : "upgraded"} to schema ${SCHEMA}`,
    `  batches sealed again       ${batches.resealed}`,
    `  dead letters, sealed again ${letters.resealed}`,
    `  messages with nothing left ${batches.emptied + letters.emptied}`,
    ...(locked === 0
      ? []
      : [`  that no key here opens     ${locked}; they are left, and become dead letters (unopenable)`]),
    ...(letters.held === 0 ? [] : [`  dead letters, under a hold ${letters.held}; they are left`]),
    `  rows of devices            ${ROWS[rows.outcome]}${rows.count === undefined ? "" : ` (${rows.count})`}`,
    ...(rows.held === 0 ? [] : [`  names under a hold         ${rows.held}; their rows stay as they are`]),
  ];
}

const ROWS: Readonly<Record<FormerRows["outcome"], string>> = {
  deleted: "deleted",
  "names-left":
    "deleted; names and types of their fields stay in the store until its shards go. An administrator of InfluxDB can end that: DROP MEASUREMENT device_status",
  counted: "to be deleted",
  none: "none of an older schema",
  unsupported: "the store cannot delete rows: they stay. Give this version an empty database or bucket",
};

/** Said once for each kind. */
const told = new Set<DamageKind>();
function tellDamage(kind: DamageKind): void {
  if (!told.has(kind)) process.stderr.write(`upgrade: went on without a damaged record (${kind})\n`);
  told.add(kind);
}

function say(lines: readonly string[]): 0 {
  sayLine(lines.join("\n"));
  return 0;
}

runCommand("upgrade", USAGE, main);
