/** Why an erasure does not continue: written to its record for its status, and to the log for operators. */
import type { ErasureStatus } from "../../model/erasure.ts";
import { GatewayError } from "../../model/errors.ts";
import type { ErasurePorts } from "./ports.ts";
import type { ErasureRecord, ErasureRecords } from "./record.ts";

/** Shorter waits are not logged; after that a line is logged each time the wait has doubled. */
const FIRST_TOLD_MS = 10_000;

export class ErasureWaits {
  readonly #records: ErasureRecords;
  readonly #ports: Pick<ErasurePorts, "now" | "log">;
  /** By erasure, the wait at which the next line is logged. */
  readonly #told = new Map<string, number>();

  constructor(records: ErasureRecords, ports: Pick<ErasurePorts, "now" | "log">) {
    this.#records = records;
    this.#ports = ports;
  }

  /** Records the error and throws it again; the caller, the scheduler, logs it. */
  async failed(record: ErasureRecord, stop: AbortSignal, error: unknown): Promise<never> {
    const code = error instanceof GatewayError ? error.code : "FAULT";
    // If the store is not writable this cannot be recorded either; and a stopping process is no cause.
    if (!stop.aborted) await this.#set(record, code).catch(() => undefined);
    throw error;
  }

  /** `cause` absent: it continues. */
  async note(record: ErasureRecord, cause: string | undefined): Promise<void> {
    if (cause !== undefined) {
      await this.#set(record, cause);
      this.#tell(record, cause);
      return;
    }
    this.#told.delete(record.id);
    if (record.fields.waitCode !== undefined) await this.#records.unset(record, "waitCode", "waitSince");
  }

  async #set(record: ErasureRecord, code: string): Promise<void> {
    const { waitCode, waitSince } = record.fields;
    const since = Math.min(Number(waitSince ?? Number.POSITIVE_INFINITY), this.#ports.now());
    if (waitCode === code && waitSince === String(since)) return;
    await this.#records.set(record, { waitCode: code, waitSince: since });
  }

  #tell({ id, step, fields }: ErasureRecord, code: string): void {
    const waitedMs = this.#ports.now() - Number(fields.waitSince ?? this.#ports.now());
    const next = this.#told.get(id) ?? FIRST_TOLD_MS;
    if (waitedMs < next) return;
    this.#told.set(id, waitedMs * 2);
    this.#ports.log.warn("erasure waiting, will continue", {
      ...(step && { stage: step }),
      code,
      durationMs: waitedMs,
    });
  }
}

export function waitingOf({ step, fields }: ErasureRecord): Pick<ErasureStatus, "waiting"> {
  const { waitCode, waitSince } = fields;
  if (step === undefined || waitCode === undefined || waitSince === undefined) return {};
  return { waiting: { code: waitCode, since: Number(waitSince) } };
}
