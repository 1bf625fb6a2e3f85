/**
 * Deletes rows by age in an InfluxDB 2 around those that are held. Its predicates know "is" and "and", not "is not", so
 * the time is cut into slices instead of listing everybody who is not held:
 *
 *   slice ─┬─ nobody held has rows in it ──────────→ one deletion
 *          ├─ few others have ─────────────────────→ a deletion for each of them
 *          ├─ those held have few moments in it ───→ a deletion for each gap between the moments
 *          └─ else ────────────────────────────────→ halved
 */
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import { type Deletion, isUnknown } from "./flux.ts";
import type { Answer } from "./http.ts";
import { devicesByFlux, momentsByFlux } from "./row-answers.ts";
import {
  deletePredicate,
  deletionRange,
  fluxAmong,
  fluxMoments,
  fluxOldest,
  fluxSliceNames,
  type OldRows,
  type TimeSlice,
} from "./row-queries.ts";
import type { Aging } from "./row-retention.ts";

export interface SparedSlicesPorts {
  /** Throws SINK_UNAVAILABLE; an answer that is too long, or that the server knows no queries, is an answer. */
  flux(query: string): Promise<Answer>;
  /** Throws SINK_UNAVAILABLE, SINK_DENIED. */
  delete(deletion: Deletion): Promise<Aging>;
}

interface HeldSlice extends TimeSlice {
  readonly held: readonly Pseudonym[];
}

const NAMES_PER_QUERY = 500;
const FEW_NAMES = 200;
const FEW_MOMENTS = 500;
const NS_PER_MS = 1_000_000n;

/** The store cannot delete rows. */
class Unsupported extends Error {}

export class SparedSlices {
  readonly #bucket: string;
  readonly #ports: SparedSlicesPorts;

  constructor(bucket: string, ports: SparedSlicesPorts) {
    this.#bucket = bucket;
    this.#ports = ports;
  }

  /** Whatever ends it, deleting goes on the next time where it is needed. Throws SINK_UNAVAILABLE, SINK_DENIED. */
  async remove({ measurement, beforeMs, except }: OldRows): Promise<Aging> {
    try {
      const answer = await this.#ports.flux(fluxOldest(this.#bucket, { measurement, beforeMs }));
      if (isUnknown(answer)) return "unsupported";
      const [fromNs] = momentsByFlux(csvOf(answer));
      if (fromNs === undefined) return "deleted";
      const left: HeldSlice[] = [{ measurement, fromNs, toNs: BigInt(beforeMs) * NS_PER_MS - 1n, held: except }];
      for (let slice = left.pop(); slice !== undefined; slice = left.pop()) left.push(...(await this.#take(slice)));
      return "deleted";
    } catch (error) {
      if (error instanceof Unsupported) return "unsupported";
      throw error;
    }
  }

  /** What is left of it, in slices. */
  async #take(whole: HeldSlice): Promise<HeldSlice[]> {
    const slice = { ...whole, held: await this.#heldIn(whole) };
    if (slice.held.length === 0) {
      await this.#delete(slice);
      return [];
    }
    const names = await this.#othersIn(slice);
    if (names !== undefined && names.length < FEW_NAMES) {
      for (const device of names) await this.#delete(slice, device);
      return [];
    }
    const moments = await this.#momentsIn(slice);
    if (moments.length > FEW_MOMENTS) return halves(slice);
    await this.#takeAround(slice, moments);
    return [];
  }

  async #takeAround(slice: HeldSlice, moments: readonly bigint[]): Promise<void> {
    let fromNs = slice.fromNs;
    for (const moment of moments) {
      if (moment > fromNs) await this.#delete({ ...slice, fromNs, toNs: moment - 1n });
      await this.#takeOthersAt({ ...slice, fromNs: moment, toNs: moment });
      fromNs = moment + 1n;
    }
    if (fromNs <= slice.toNs) await this.#delete({ ...slice, fromNs });
  }

  /** The places of an epoch all stand at one moment. */
  async #takeOthersAt(moment: HeldSlice): Promise<void> {
    const deleted = new Set<Pseudonym>();
    for (;;) {
      const names = await this.#othersIn(moment);
      if (names === undefined) throw new GatewayError("SINK_DENIED", "a list of names is too long");
      const fresh = names.filter((name) => !deleted.has(name));
      if (names.length === 0) return;
      if (fresh.length === 0) throw new GatewayError("SINK_UNAVAILABLE", "rows to be removed are still there");
      for (const device of fresh) {
        await this.#delete(moment, device);
        deleted.add(device);
      }
      if (names.length < FEW_NAMES) return;
    }
  }

  /** Of those that are held the ones that have rows in the slice. */
  async #heldIn(slice: HeldSlice): Promise<Pseudonym[]> {
    const found: Pseudonym[] = [];
    for (const some of inGroups(slice.held)) {
      found.push(...devicesByFlux(csvOf(await this.#ports.flux(fluxAmong(this.#bucket, slice, some)))));
    }
    return found;
  }

  /** Some of those who are not held and have rows in it, all when they are few; `undefined` when the list is too long. */
  async #othersIn(slice: HeldSlice): Promise<Pseudonym[] | undefined> {
    const held = new Set(slice.held);
    const answer = await this.#ports.flux(fluxSliceNames(this.#bucket, slice, FEW_NAMES + held.size));
    return answer.tooLong ? undefined : devicesByFlux(csvOf(answer)).filter((name) => !held.has(name));
  }

  /** When those that are held have rows in it, in order; one more than is few when there are more. */
  async #momentsIn(slice: HeldSlice): Promise<bigint[]> {
    const moments = new Set<bigint>();
    for (const some of inGroups(slice.held)) {
      const answer = await this.#ports.flux(fluxMoments(this.#bucket, slice, some, FEW_MOMENTS + 1));
      for (const moment of momentsByFlux(csvOf(answer))) moments.add(moment);
    }
    return [...moments].sort((left, right) => (left < right ? -1 : 1));
  }

  async #delete(slice: TimeSlice, device?: Pseudonym): Promise<void> {
    const predicate = deletePredicate({ measurement: slice.measurement, ...(device !== undefined && { device }) });
    const aging = await this.#ports.delete({ ...deletionRange(slice), predicate });
    if (aging === "unsupported") throw new Unsupported();
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

function csvOf(answer: Answer): string {
  if (answer.status !== 200) throw new GatewayError("SINK_DENIED", `query: http ${answer.status}`);
  return answer.body;
}
