/** Heads of the audit log that were recorded in the journal and that the log must contain today. */
import type { AuditHead } from "../../model/audit.ts";

/** Years of heads; beyond this the oldest are dropped. */
const MAX_HEADS = 200_000;

export class NotedHeads {
  #heads: { readonly at: number; readonly head: AuditHead }[] = [];
  #restoredAt = Number.NEGATIVE_INFINITY;

  /** In the order within a file; files may follow in any order. */
  add({ what, next, hash }: { readonly what: "audited" | "restored" | "repaired" } & AuditHead, at: number): void {
    if (what !== "audited" && at >= this.#restoredAt) {
      // What was lost with Redis cannot be required; the log itself reports that loss.
      this.#restoredAt = at;
      this.#heads = this.#heads.filter((one) => one.at > at);
    }
    if (at < this.#restoredAt) return;
    this.#heads.push({ at, head: { next, hash } });
    if (this.#heads.length > MAX_HEADS) this.#heads.splice(0, MAX_HEADS / 2);
  }

  get all(): AuditHead[] {
    return this.#heads.map(({ head }) => head);
  }
}
