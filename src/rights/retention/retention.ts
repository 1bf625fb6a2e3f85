/**
 * Deletes data past its retention time, each kind separately, so that one that is unavailable does not stop the others.
 * A dry run only counts.
 */

import type { AuditAct, AuditDetail, AuditRole } from "../../model/audit.ts";
import type { Log } from "../../model/log.ts";
import { faultCode } from "../../platform/fault-code.ts";

export const RETENTION_KINDS = [
  "deviceStatus",
  "deviceLocation",
  "cellActivity",
  "expiredConsents",
  "suspendedConsents",
  "minors",
  "deadLetters",
  "queueKeys",
  "disclosures",
  "receipts",
  "audit",
] as const;
export type RetentionKind = (typeof RETENTION_KINDS)[number];

/**
 * `postponed`: a legal hold prevents it, or it is left to the gateway. `unsupported`: the store cannot delete rows.
 * `failed`: retried next time.
 */
export type RetentionState = "due" | "done" | "postponed" | "unsupported" | "failed";

export interface RetentionResult {
  readonly kind: RetentionKind;
  readonly state: RetentionState;
  /** `undefined` when the store does not allow counting. */
  readonly count: number | undefined;
}

export interface RetentionItem {
  readonly kind: RetentionKind;
  /** Number of items that would be deleted now. */
  due(signal: AbortSignal): Promise<number | undefined>;
  /** Deletes them. Idempotent. */
  run(signal: AbortSignal): Promise<Omit<RetentionResult, "kind">>;
}

export interface RetentionPorts {
  readonly audit: { note(act: AuditAct): Promise<unknown> };
  readonly log: Log;
}

export class Retention {
  readonly #items: readonly RetentionItem[];
  readonly #ports: RetentionPorts;

  constructor(items: readonly RetentionItem[], ports: RetentionPorts) {
    this.#items = items;
    this.#ports = ports;
  }

  /** Dry run: what `run` would delete now. Changes nothing. */
  plan(signal: AbortSignal): Promise<RetentionResult[]> {
    return this.#each(async (item) => ({ state: "due", count: await item.due(signal) }));
  }

  /** Never throws; failures are part of the result. A run that changed anything is written to the audit log. */
  async run(by: AuditRole, signal: AbortSignal): Promise<RetentionResult[]> {
    const results = await this.#each((item) => item.run(signal));
    const detail = retentionDetail(results);
    if (Object.keys(detail).length > 0) await this.#ports.audit.note({ act: "retention-run", by, detail });
    return results;
  }

  async #each(work: (item: RetentionItem) => Promise<Omit<RetentionResult, "kind">>): Promise<RetentionResult[]> {
    const results: RetentionResult[] = [];
    for (const item of this.#items) {
      try {
        results.push({ kind: item.kind, ...(await work(item)) });
      } catch (error) {
        const code = faultCode(error);
        this.#ports.log.warn("retention step failed, will be retried", { stage: item.kind, code });
        results.push({ kind: item.kind, state: "failed", count: undefined });
      }
    }
    return results;
  }
}

/** What changed or failed, for the audit log. */
export function retentionDetail(results: readonly RetentionResult[]): AuditDetail {
  const told = results.filter(({ state, count }) => state === "failed" || (state === "done" && count !== 0));
  return Object.fromEntries(told.map(({ kind, state, count }) => [kind, state === "done" ? (count ?? state) : state]));
}
