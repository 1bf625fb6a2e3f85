/** Erases data stored while a minor counted as an adult: first the audit line, then the erasure. */
import type { Minors } from "../../consent/ledger/minors.ts";
import type { SubjectTag } from "../../model/ids.ts";
import type { AuditTrail } from "../audit/trail.ts";
import type { Erasures } from "./erasures.ts";

export interface MinorPurgePorts {
  readonly minors: Pick<Minors, "mustBePurged">;
  readonly audit: Pick<AuditTrail, "append">;
  readonly erasures: Pick<Erasures, "request">;
}

export class MinorPurge {
  readonly #ports: MinorPurgePorts;

  constructor(ports: MinorPurgePorts) {
    this.#ports = ports;
  }

  /** Nothing is erased when the line for the audit log cannot be written. */
  async purge(subject: SubjectTag): Promise<void> {
    await this.#ports.audit.append({ act: "minor-purged", by: "gateway", subject });
    await this.#ports.erasures.request(subject, { by: "controller", method: "minor" });
  }

  /** Unless it has begun already. True: just begun. */
  async purgeIfDue(subject: SubjectTag): Promise<boolean> {
    const due = await this.#ports.minors.mustBePurged(subject);
    if (due) await this.purge(subject);
    return due;
  }
}
