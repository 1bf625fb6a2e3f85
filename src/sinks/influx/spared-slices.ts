/**
 * Deletes rows by age in an InfluxDB 2 around those that are held. Its predicates know "is" and "and", not "is not", so
 * the time is cut into slices instead of listing all who are not held:
 *
 *   slice ─┬─ no one held has rows in it ──────────→ one deletion
 *          ├─ few others have ─────────────────────→ a deletion for each of them
 *          ├─ those held have few moments in it ───→ a deletion for each gap between the moments
 *          └─ else ────────────────────────────────→ halved
 */
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { OldRows } from "../../model/sink.ts";
import { AnswerTooLong } from "./connection.ts";
import { devicesOf, momentsOf, type QueryResult } from "./row-answers.ts";
import type { RowQueries, TimeSlice } from "./row-queries.ts";

interface HeldSlice extends TimeSlice {
  readonly held: readonly Pseudonym[];
}

const NAMES_PER_QUERY = 500;
const FEW_SERIES = 200;
const FEW_ROWS = 500;
/** With as many held rows at each moment the gaps between the moments are few for what they spare. */
const ROWS_PER_CROWDED_MOMENT = 10;
const NS_PER_MS = 1_000_000n;

export class SparedSlices {
  readonly #queries: RowQueries;
  readonly #ask: (statement: string) => Promise<QueryResult>;
  readonly #take: (slice: TimeSlice, device?: Pseudonym) => Promise<void>;

  /** `take` deletes everything in a slice, or what one device has there. Both throw SINK_UNAVAILABLE, SINK_DENIED. */
  constructor(
    queries: RowQueries,
    ask: (statement: string) => Promise<QueryResult>,
    take: (slice: TimeSlice, device?: Pseudonym) => Promise<void>,
  ) {
    this.#queries = queries;
    this.#ask = ask;
    this.#take = take;
  }

  /** Whatever ends it, deleting goes on the next time where it is needed. Throws SINK_UNAVAILABLE, SINK_DENIED. */
  async remove({ measurement, beforeMs, except }: OldRows): Promise<void> {
    const [fromNs] = momentsOf(await this.#ask(this.#queries.oldest({ measurement, beforeMs })));
    if (fromNs === undefined) return;
    const left: HeldSlice[] = [{ measurement, fromNs, toNs: BigInt(beforeMs) * NS_PER_MS - 1n, held: except }];
    for (let slice = left.pop(); slice !== undefined; slice = left.pop()) left.push(...(await this.#slice(slice)));
  }

  /** What is left of it, in slices. */
  async #slice(whole: HeldSlice): Promise<HeldSlice[]> {
    const slice = { ...whole, held: await this.#heldIn(whole) };
    if (slice.held.length === 0) {
      await this.#take(slice);
      return [];
    }
    const others = await this.#othersIn(slice);
    if (others.complete) {
      for (const device of others.devices) await this.#take(slice, device);
      return [];
    }
    const { moments, complete } = await this.#momentsIn(slice);
    if (moments.length > (complete ? FEW_ROWS : FEW_ROWS / ROWS_PER_CROWDED_MOMENT)) return halves(slice);
    const fromNs = await this.#takeAround(slice, moments);
    if (fromNs > slice.toNs) return [];
    if (!complete) return [{ ...slice, fromNs }];
    await this.#take({ ...slice, fromNs });
    return [];
  }

  /** Up to the last of the moments; answers where the rest begins. */
  async #takeAround(slice: HeldSlice, moments: readonly bigint[]): Promise<bigint> {
    let { fromNs } = slice;
    for (const moment of moments) {
      if (moment > fromNs) await this.#take({ ...slice, fromNs, toNs: moment - 1n });
      await this.#takeOthersAt({ ...slice, fromNs: moment, toNs: moment });
      fromNs = moment + 1n;
    }
    return fromNs;
  }

  /** The places of an epoch all stand at one moment. */
  async #takeOthersAt(moment: HeldSlice): Promise<void> {
    const deleted = new Set<Pseudonym>();
    for (;;) {
      const { devices, complete } = await this.#othersIn(moment);
      const fresh = devices.filter((device) => !deleted.has(device));
      if (devices.length > 0 && fresh.length === 0) {
        throw new GatewayError("SINK_UNAVAILABLE", "rows to be removed are still there");
      }
      for (const device of fresh) {
        await this.#take(moment, device);
        deleted.add(device);
      }
      if (complete) return;
      // The answer is full of held devices, each with more models than anybody has.
      if (devices.length === 0) throw new GatewayError("SINK_DENIED", "a list of names is too long");
    }
  }

  /** Of those that are held the ones that have rows in the slice. */
  async #heldIn(slice: HeldSlice): Promise<Pseudonym[]> {
    const found: Pseudonym[] = [];
    for (const some of inGroups(slice.held)) {
      found.push(...devicesOf(await this.#ask(this.#queries.presentIn(slice, some))));
    }
    return found;
  }

  /** Of those who are not held some that have rows in it, or all. */
  async #othersIn(slice: HeldSlice): Promise<{ readonly devices: readonly Pseudonym[]; readonly complete: boolean }> {
    const held = new Set(slice.held);
    // A device can have several series, one for each model that it named.
    const limit = FEW_SERIES + 4 * held.size;
    try {
      const result = await this.#ask(this.#queries.seriesIn(slice, limit));
      const devices = devicesOf(result).filter((device) => !held.has(device));
      return { devices, complete: (result.series?.length ?? 0) < limit };
    } catch (error) {
      if (error instanceof AnswerTooLong && slice.fromNs < slice.toNs) return { devices: [], complete: false };
      throw error;
    }
  }

  /** When those that are held have rows in it, in order: all moments, or the first. */
  async #momentsIn(slice: HeldSlice): Promise<{ readonly moments: readonly bigint[]; readonly complete: boolean }> {
    const moments = new Set<bigint>();
    let endNs: bigint | undefined;
    for (const some of inGroups(slice.held)) {
      const result = await this.#ask(this.#queries.rowsIn(slice, some, FEW_ROWS));
      const known = momentsOf(result);
      for (const moment of known) moments.add(moment);
      const rows = result.series?.reduce((count, { values = [] }) => count + values.length, 0) ?? 0;
      const last = known.at(-1);
      if (rows >= FEW_ROWS && last !== undefined && (endNs === undefined || last < endNs)) endNs = last;
    }
    const upTo = endNs;
    const sorted = [...moments].sort((left, right) => (left < right ? -1 : 1));
    if (upTo === undefined) return { moments: sorted, complete: true };
    return { moments: sorted.filter((moment) => moment <= upTo), complete: false };
  }
}

/** The earlier one last, to be taken first. */
function halves(slice: HeldSlice): HeldSlice[] {
  const middle = (slice.fromNs + slice.toNs) / 2n;
  return [
    { ...slice, fromNs: middle + 1n },
    { ...slice, toNs: middle },
  ];
}

function* inGroups(names: readonly Pseudonym[]): Generator<readonly Pseudonym[]> {
  for (let from = 0; from < names.length; from += NAMES_PER_QUERY) yield names.slice(from, from + NAMES_PER_QUERY);
}
