/** The work of `npm run keys`: each command first checks that no gateway and nothing sealed is left without its key. */
import { setTimeout as pause } from "node:timers/promises";
import { Keyring } from "../deidentify/keyring.ts";
import { GatewayError } from "../model/errors.ts";
import {
  addQueueKey,
  beginMaster,
  describeKeys,
  endMaster,
  removeKey,
  replaceBackupKey,
  replaceReceiptKey,
} from "../platform/keys/changes.ts";
import { type Keys, readKeys, readRetiredKeys } from "../platform/keys/files.ts";
import { fingerprint } from "../platform/keys/fingerprint.ts";
import type { KeyReport } from "../platform/keys/live-keys.ts";
import { liveGateways } from "../platform/keys/presence.ts";
import { sealsUnder } from "../platform/keys/rotation.ts";
import { sealsByKey } from "../queue/key-use.ts";
import { archivesUnder, subjectArchiveKey } from "../rights/backup/archive.ts";
import { installationOf } from "../rights/backup/installation.ts";
import { rewrapAll, wrappedKeys } from "../rights/backup/rewrap.ts";
import { noticesByKey } from "../rights/erasure/in-ledger.ts";
import { ReceiptKeys, receiptKeysMac } from "../rights/receipts/keys.ts";
import { ReceiptSigner } from "../rights/receipts/signer.ts";
import { queueKeyUse } from "../wiring/queue-keys.ts";
import type { Operator } from "./operator-command.ts";

const POLL_MS = 200;
const TAKEN_UP_MS = 30_000;
/** Longer than any ledger change that may still contain a key wrapped under the former master key. */
const LATE_CHANGE_MS = 6_000;

const read = ({ config }: Operator): Keys => readKeys(config.keys.dir, { create: false });

export async function rotateQueue(operator: Operator): Promise<string[]> {
  const id = await operator.acts.perform({
    act: "key-rotated",
    asked: { key: "queue" },
    work: async () => addQueueKey(operator.config.keys.dir),
    told: (key) => ({ key }),
  });
  const print = fingerprint(read(operator).queue.all.get(id) ?? Buffer.alloc(0));
  const gateways = await confirmedByAll(operator, (report) => report.queue[id] === print && report.sealing[0] === id);
  if (gateways === undefined) return [`${id} made; not every gateway has it yet, none seals under it until then`];
  return [
    gateways === 0
      ? `${id} made; no gateway is running`
      : `${id} made; ${gateways} gateway${gateways === 1 ? "" : "s"} seal under it`,
  ];
}

/** Can be repeated: if there is a next master key already, that one is used. */
export async function rotateMaster(operator: Operator, say: (lines: string[]) => unknown): Promise<string[]> {
  const { retired } = await operator.acts.perform({
    act: "key-rotated",
    asked: { key: "master" },
    work: () => replaceMaster(operator, say),
    told: ({ subjects }) => ({ key: "master", subjects }),
  });
  return [
    `master key replaced; ${retired} only opens earlier key archives`,
    `take a backup now, then: npm run keys -- destroy ${retired}`,
  ];
}

async function replaceMaster(
  operator: Operator,
  say: (lines: string[]) => unknown,
): Promise<{ retired: string; subjects: number }> {
  const { config, redis, keyspace } = operator;
  beginMaster(config.keys.dir);
  const { master, nextMaster, pepper } = read(operator);
  if (nextMaster === undefined) throw new GatewayError("KEY_INVALID", "master-next.key: missing");
  const print = fingerprint(nextMaster);
  const gateways = await confirmedByAll(operator, ({ wrapping }) => wrapping === print);
  if (gateways === undefined)
    throw new GatewayError("KEY_IN_USE", "a gateway does not have master-next.key; run this again once it does");
  const keyring = new Keyring({ masterKey: nextMaster, otherMasterKeys: [master], pepper });
  let unreadable = 0;
  const pass = () => {
    unreadable = 0;
    return rewrapAll(
      redis,
      keyspace,
      (wrapped) => keyring.rewrap(wrapped),
      () => {
        unreadable += 1;
      },
    );
  };
  let total = await pass();
  say([`${total} subject keys rewrapped`]);
  for (let changed = 1; changed > 0; total += changed) {
    if (gateways > 0) await pause(LATE_CHANGE_MS);
    changed = await pass();
  }
  if (unreadable > 0)
    say([`${unreadable} subject keys could not be unwrapped and were left unchanged; see npm run keys -- check`]);
  return { retired: endMaster(config.keys.dir, nextMaster), subjects: total };
}

/** Can be repeated as well. */
export async function rotateBackup(operator: Operator): Promise<string[]> {
  const { dir } = operator.config.keys;
  const made = read(operator).backup === undefined;
  const retired = await operator.acts.perform({
    act: made ? "key-created" : "key-rotated",
    asked: { key: "backup" },
    work: async () => replaceBackupKey(dir),
  });
  return [retired === undefined ? "backup key created" : `backup key replaced; ${retired} still opens older archives`];
}

export async function rotateReceipt(operator: Operator): Promise<string[]> {
  const { config, redis, keyspace } = operator;
  const { receipt, lookup } = read(operator);
  const former = new ReceiptKeys(redis, keyspace, receiptKeysMac(lookup), new ReceiptSigner(receipt).publicKey);
  await operator.acts.perform({
    act: "key-rotated",
    asked: { key: "receipt" },
    work: async () => {
      // First its public half is recorded: earlier receipts are verified with it.
      await former.start();
      replaceReceiptKey(config.keys.dir);
    },
  });
  return ["receipt key replaced; a gateway uses the new one after a restart, and all receipts stay valid"];
}

export async function destroyKey(operator: Operator, id: string): Promise<string[]> {
  await operator.acts.perform({
    act: "key-destroyed",
    asked: { key: id },
    work: async () => {
      await refuseWhileNeeded(operator, id);
      removeKey(operator.config.keys.dir, id);
    },
  });
  return [`${id} is destroyed; data still sealed under it, also in old Redis files, can no longer be read`];
}

async function refuseWhileNeeded(operator: Operator, id: string): Promise<void> {
  const { config, redis, keyspace } = operator;
  const { queue, lookup } = read(operator);
  const retired = readRetiredKeys(config.keys.dir).get(`${id}.key`);
  if (queue.all.has(id)) {
    if (id === queue.active) throw new GatewayError("KEY_IN_USE", "it seals new batches; rotate first");
    const left = sealsUnder(id, await queueKeyUse(redis, keyspace));
    if (left === "sealing") throw new GatewayError("KEY_IN_USE", "a gateway seals under it, or did moments ago");
    if (left > 0) throw new GatewayError("KEY_IN_USE", `${left} batches, dead letters or notices are sealed under it`);
    return;
  }
  if (retired === undefined) throw new GatewayError("KEY_INVALID", "no queue key and no retired key of this id");
  const master = id.startsWith("master-");
  const left = master ? await openedBy(operator, retired) : 0;
  if (left > 0)
    throw new GatewayError("KEY_IN_USE", `${left} subject keys are not wrapped under the current master key`);
  const archives = await archivesUnder(
    config.backup.dir,
    master ? "subject-keys" : "records",
    installationOf(lookup),
    master ? subjectArchiveKey(retired) : retired,
  );
  if (archives > 0)
    throw new GatewayError("KEY_IN_USE", `${archives} archives in backup.dir open only with it; remove them first`);
}

/** Everything that is wrong; empty when all is well. */
export async function checkKeys(operator: Operator): Promise<string[]> {
  const { config, redis, keyspace } = operator;
  const { dir } = config.keys;
  const present = read(operator);
  describeKeys(dir);
  const problems: string[] = [];
  if (present.backup === undefined) problems.push("backup.key is missing: no backup can be taken");
  if (present.nextMaster !== undefined)
    problems.push("a rotation of the master key was interrupted; run rotate master again");
  for (const counts of [await sealsByKey(redis, keyspace), await noticesByKey(redis, keyspace)]) {
    for (const [id, count] of counts)
      if (!present.queue.all.has(id)) problems.push(`${id} is missing and ${count} seals need it`);
  }
  for (const report of await liveGateways(redis, keyspace)) {
    for (const [id, key] of present.queue.all) {
      if (report.queue[id] !== fingerprint(key)) problems.push(`a gateway does not hold ${id}in this version`);
    }
    if (!report.masters.includes(fingerprint(present.master))) problems.push("a gateway has another master key");
  }
  const left = await unreadable(operator);
  if (left > 0) problems.push(`${left} subject keys cannot be unwrapped`);
  return problems;
}

/** Number of subject keys that the current master keys do not unwrap. */
function unreadable(operator: Operator): Promise<number> {
  const { master, nextMaster } = read(operator);
  return countKeys(operator, [master, ...(nextMaster === undefined ? [] : [nextMaster])], false);
}

/** A subject key that no key unwraps is no reason to keep a master key. */
function openedBy(operator: Operator, key: Buffer): Promise<number> {
  return countKeys(operator, [key], true);
}

async function countKeys(
  operator: Operator,
  [masterKey, ...otherMasterKeys]: Buffer[],
  open: boolean,
): Promise<number> {
  const { master, pepper } = read(operator);
  const keyring = new Keyring({ masterKey: masterKey ?? master, otherMasterKeys, pepper });
  let count = 0;
  for await (const wrapped of wrappedKeys(operator.redis, operator.keyspace))
    if (keyring.opens(wrapped) === open) count += 1;
  return count;
}

/** Number of live gateways once all of them answer `yes`; `undefined` when one does not in time. */
async function confirmedByAll(
  { redis, keyspace }: Operator,
  yes: (report: KeyReport) => boolean,
): Promise<number | undefined> {
  for (const deadline = performance.now() + TAKEN_UP_MS; performance.now() < deadline; await pause(POLL_MS)) {
    const reports = await liveGateways(redis, keyspace);
    if (reports.every(yes)) return reports.length;
  }
  return undefined;
}
