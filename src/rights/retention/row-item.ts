/** Rows in the store past their retention time, without those of a device under a legal hold. */
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { Aging, RowsBefore } from "../../model/sink.ts";
import type { RetentionItem, RetentionKind, RetentionState } from "./retention.ts";

export interface RowItemPorts {
  readonly beforeMs: () => Promise<number>;
  /** Of those whose rows must stay, the names under which some are older than that (Unix ms). */
  readonly except: (beforeMs: number) => Promise<readonly Pseudonym[]>;
  readonly count: (old: RowsBefore, signal: AbortSignal) => Promise<number | undefined>;
  readonly remove: (old: RowsBefore, signal: AbortSignal) => Promise<Aging>;
  /** A hold that is placed meanwhile is answered after the work. */
  readonly deleting: <T>(work: () => Promise<T>) => Promise<T>;
}

export function rowItem(kind: RetentionKind, ports: RowItemPorts): RetentionItem {
  const { beforeMs, except, deleting } = ports;
  const old = async (): Promise<RowsBefore> => {
    const before = await beforeMs();
    return { beforeMs: before, except: await except(before) };
  };
  return {
    kind,
    due: async (signal) => ports.count(await old(), signal),
    run: async (signal) => {
      const rows = await old();
      const count = await countOf(ports, rows, signal);
      if (count === 0) return { state: "done", count };
      // Counting takes time, and a hold may be placed meanwhile; a hold placed from here on is answered after this.
      const aging = await deleting(async () => ports.remove({ ...rows, except: await except(rows.beforeMs) }, signal));
      const state: RetentionState = aging === "deleted" ? "done" : aging;
      return { state, count };
    },
  };
}

/** Rows that are too many to count can still be deleted. */
async function countOf({ count }: RowItemPorts, old: RowsBefore, signal: AbortSignal): Promise<number | undefined> {
  try {
    return await count(old, signal);
  } catch (error) {
    if (error instanceof GatewayError && error.code.startsWith("SINK_")) return undefined;
    throw error;
  }
}
