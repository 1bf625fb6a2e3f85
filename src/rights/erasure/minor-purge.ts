/** What was stored while a minor counted as an adult goes: on record first, then erased. */
import type { Minors } from "../../consent/ledger/minors.ts";
import type { AuditAct } from "../../model/audit.ts";
import type { SubjectTag } from "../../model/ids.ts";

export interface MinorPurgePorts {
  readonly minors: Pick<Minors, "mustBePurged">;
  /** Throws when the line cannot be written; nothing is erased then. */
  audit(act: AuditAct): Promise<unknown>;
  /** Begins the erasure of everything stored of the subject. */
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

  /** Unless that has begun already. True: just begun. */
  async purgeIfDue(subject: SubjectTag): Promise<boolean> {
    const due = await this.#ports.minors.mustBePurged(subject);
    if (due) await this.purge(subject);
    return due;
  }
}
