/** Resident memory that the gateway keeps after load, without a collection that the bench asks for: what an operator sees. */
import { setTimeout as wait } from "node:timers/promises";
import { residentBytes } from "./process-usage.ts";
import { type Contender, interleaved } from "./windows.ts";

/** In MB of 1,000,000 bytes; its devices stay connected. */
export interface ResidentMb {
  /** When the last message of the load was stored. */
  readonly afterLoad: number;
  /** A minute of quiet later. */
  readonly atRest: number;
}

const QUIET_MS = 60_000;

/** At the peak for `durationMs`; the contender runs alone. */
export async function residentAfterLoad(
  contender: Contender,
  plan: { readonly warmUpMs: number; readonly durationMs: number },
): Promise<ResidentMb> {
  const read = () => Math.round(residentBytes(contender.pipeline.pids.gateway ?? 0) / 1e6);
  await interleaved([contender], [contender], 1, plan);
  const afterLoad = read();
  await wait(QUIET_MS);
  return { afterLoad, atRest: read() };
}
