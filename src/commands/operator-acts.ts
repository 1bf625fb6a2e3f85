/**
 * Every operator act is written to the audit log before and after it, like every act over HTTP. The resulting head of
 * the log is recorded in the erasure journal, outside Redis.
 */

import type { Redis } from "ioredis";
import type { CommandConfig } from "../config/schema.ts";
import type { AuditActName, AuditDetail, AuditHead, AuditRepair } from "../model/audit.ts";
import { GatewayError } from "../model/errors.ts";
import { faultCode } from "../platform/fault-code.ts";
import { readKeysOf } from "../platform/keys/files.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { auditKey } from "../rights/audit/chain.ts";
import { AuditLog } from "../rights/audit/log.ts";
import { journalKey } from "../rights/journal/format.ts";
import { ErasureJournal } from "../rights/journal/journal.ts";

type Journal = Pick<ErasureJournal, "record">;

export interface OperatorAct<T> {
  readonly act: AuditActName;
  readonly asked?: AuditDetail;
  /** The result, for the audit line. */
  readonly told?: (result: T, log: AuditLog) => AuditDetail | Promise<AuditDetail>;
  /** Whether the result says that nothing was done. */
  readonly refused?: (result: T) => boolean;
  /** It records something in the erasure journal itself, and is not begun without one. */
  readonly needsJournal?: true;
  work(record: Journal["record"]): Promise<T>;
}

type Places = Pick<CommandConfig, "keys" | "backup">;

export class OperatorActs {
  readonly #config: Places;
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;

  constructor(config: Places, redis: Redis, keyspace: Keyspace) {
    this.#config = config;
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  get log(): AuditLog {
    return new AuditLog(this.#redis, this.#keyspace, { keys: [auditKey(this.#lookup)], now: Date.now });
  }

  /** A line that cannot be written prevents the act. Throws what `work`, the log and the journal throw. */
  async perform<T>({ act, asked, told, refused, needsJournal, work }: OperatorAct<T>): Promise<T> {
    const [log, journal] = [this.log, await this.#journal()];
    try {
      if (needsJournal && journal === undefined) throw new GatewayError("JOURNAL_MISSING", "backup.journalFile");
      // There may be no log yet before a restore: the restored log then gets the line that it began.
      const begins = act === "restore" && (await log.head()).next === 0;
      const of = begins ? undefined : await log.append({ act, by: "operator", outcome: "asked", detail: asked });
      await journal?.record({ what: "audited", ...(await log.head()) });
      const record: Journal["record"] = async (entry) => journal?.record(entry);
      const result = await work(record).catch(async (error: unknown) => {
        const code = faultCode(error);
        const failed = { act, by: "operator", outcome: "failed", of, detail: { code } } as const;
        if (!begins) await this.log.append(failed).catch(() => undefined);
        throw error;
      });
      // Read again: a restore has replaced the log that was read before.
      const after = this.log;
      const outcome = refused?.(result) ? "refused" : "done";
      await after.append({ act, by: "operator", outcome, of, detail: await told?.(result, after) });
      await journal?.record({ what: act === "restore" ? "restored" : "audited", ...(await after.head()) });
      return result;
    } finally {
      await journal?.stop();
    }
  }

  /**
   * A log that does not verify cannot take a line before the act; the repair writes its own line, and the journal
   * continues from there. `keep` receives the lines that will be left out, before they are removed. `undefined` when
   * there is nothing to repair.
   */
  async repairLog(
    noted: readonly AuditHead[],
    keep: (lines: readonly string[]) => Promise<void>,
  ): Promise<AuditRepair | undefined> {
    const [log, journal] = [this.log, await this.#journal()];
    try {
      const repair = await log.repair("operator", noted, keep);
      if (repair !== undefined) await journal?.record({ what: "repaired", ...(await log.head()) });
      return repair;
    } finally {
      await journal?.stop();
    }
  }

  get #lookup(): Buffer {
    return readKeysOf(this.#config.keys.dir, ["lookup"]).lookup;
  }

  /** On a machine without the journal only the gateway records the head. */
  async #journal(): Promise<ErasureJournal | undefined> {
    const journal = new ErasureJournal(this.#config.backup.journalFile, journalKey(this.#lookup));
    try {
      await journal.start(async () => false);
      return journal;
    } catch (error) {
      if (error instanceof GatewayError && error.code === "JOURNAL_MISSING") return undefined;
      throw error;
    }
  }
}
