/**
 * Audit lines for acts. Before an act, a line that cannot be written prevents the act. After an act it is too late for
 * that: the line is retried until it is written, with an alarm meanwhile.
 */

import type { AuditAct, AuditPage } from "../../model/audit.ts";
import type { Log } from "../../model/log.ts";
import { faultCode } from "../../platform/fault-code.ts";
import type { AuditLog } from "./log.ts";

export interface AuditTrailPorts {
  readonly audit: Pick<AuditLog, "append" | "list">;
  readonly metrics: {
    /** A line could not be written at once. */
    auditLate(): void;
  };
  readonly log: Log;
  /** Unix ms. */
  now(): number;
}

/** Lines kept in memory until they can be written; beyond this number the oldest is lost, and the loss is logged. */
const MAX_LATE = 10_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;

interface Late {
  readonly act: AuditAct;
  readonly at: number;
}

export class AuditTrail {
  readonly #ports: AuditTrailPorts;
  readonly #late: Late[] = [];
  #flushing: Promise<void> | undefined;
  #retryMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(ports: AuditTrailPorts) {
    this.#ports = ports;
  }

  /**
   * For an act that must not happen without its line. Resolves with the line's index; throws as `AuditLog.append` does.
   */
  append(act: AuditAct): Promise<number> {
    return this.#ports.audit.append(act);
  }

  list(page: Parameters<AuditLog["list"]>[0]): Promise<AuditPage> {
    return this.#ports.audit.list(page);
  }

  /** For an act that has happened, or that must not be prevented. Never rejects; tries once before it resolves. */
  async note(act: AuditAct): Promise<void> {
    const at = this.#ports.now();
    try {
      await this.#ports.audit.append(act, at);
    } catch (error) {
      this.#postpone({ act, at }, error);
    }
  }

  /** Makes one more attempt for all waiting lines. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    // An attempt in progress ends first; what it could not write is tried once more.
    await this.#flushing;
    await this.#flush();
    if (this.#late.length > 0) this.#ports.log.error("audit lines lost", { count: this.#late.length });
  }

  #postpone(late: Late, error: unknown): void {
    this.#ports.metrics.auditLate();
    this.#ports.log.error("audit line not written, will be retried", { code: faultCode(error), stage: "audit" });
    this.#late.push(late);
    if (this.#late.length > MAX_LATE) {
      // The oldest, except one that may be in transit at this moment.
      this.#late.splice(this.#flushing === undefined ? 0 : 1, 1);
      this.#ports.log.error("audit lines lost", { count: 1 });
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#flush().then(() => {
        this.#retryMs = this.#late.length === 0 ? FIRST_RETRY_MS : Math.min(this.#retryMs * 2, LAST_RETRY_MS);
        if (this.#late.length > 0) this.#schedule();
      });
    }, this.#retryMs);
    this.#timer.unref();
  }

  /** One at a time: two would both write the same line, and each would remove another one. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#writeLate().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #writeLate(): Promise<void> {
    while (this.#late[0] !== undefined) {
      const { act, at } = this.#late[0];
      try {
        await this.#ports.audit.append(act, at);
      } catch {
        return;
      }
      this.#late.shift();
    }
  }
}
