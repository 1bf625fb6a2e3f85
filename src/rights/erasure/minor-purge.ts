/** Erases data stored while a minor counted as an adult: first the audit line, then the erasure. */
import type { Minors } from "../../consent/ledger/minors.ts";
import type { AuditAct } from "../../model/audit.ts";
import type { SubjectTag } from "../../model/ids.ts";

export interface MinorPurgePorts {
  readonly minors: Pick<Minors, "mustBePurged">;
  /** Throws when the line cannot be written; then nothing is erased. */
  audit(act: AuditAct): Promise<unknown>;
  /** Begins the erasure of all stored data of the subject. */
  erase(tag: SubjectTag): Promise<unknown>;
}

export class MinorPurge {
  readonly #ports: MinorPurgePorts;

  constructor(ports: MinorPurgePorts) {
    this.#ports = ports;
  }

  async purge(subject: SubjectTag): Promise<void> {
    await this.#ports.audit({ act: "minor-purged", by: "gateway", subject });
    await this.#ports.erase(subject);
  }

  /** Unless it has begun already. True: just begun. */
  async purgeIfDue(subject: SubjectTag): Promise<boolean> {
    const due = await this.#ports.minors.mustBePurged(subject);
    if (due) await this.purge(subject);
    return due;
  }
}
