/**
 * Under which fields somebody has rows, in InfluxQL. A wildcard names every field of the measurement, so that one device
 * with very many of them would make every answer about anybody as large. Here fields are asked for by name, and where
 * there are many, first whether these devices have any of a group of them: groups of strangers cost next to nothing.
 */
import { GatewayError } from "../model/errors.ts";
import type { Pseudonym } from "../model/ids.ts";
import type { QueryResult } from "./influx-statements.ts";
import { conflictingFields, fieldKeysOf } from "./row-answers.ts";
import {
  anyFieldStatement,
  type FieldOfType,
  fieldCountStatement,
  fieldKeysStatement,
  type OldRows,
} from "./row-queries.ts";
import type { StoredRows } from "./stored-rows.ts";

/** One result for each statement, or that they are longer than an answer may be. Throws SINK_UNAVAILABLE, SINK_DENIED. */
export type AskStatements = (statements: readonly string[]) => Promise<readonly QueryResult[] | "too-long">;

/** As many as one statement may name without anything having to be found out first. */
export const FIELDS_PER_STATEMENT = 500;

const KEYS_PER_PAGE = 20_000;
const GROUPS_PER_REQUEST = 4;
/** A list that loses names while it is read is read again. */
const READINGS = 3;

export class RowFields {
  readonly #ask: AskStatements;
  readonly #retentionPolicy: string;
  readonly #known = new Map<OldRows["measurement"], Promise<FieldOfType[]>>();

  /** For one piece of work: what it has found out about a measurement it does not ask for again. */
  constructor(ask: AskStatements, retentionPolicy: string) {
    this.#ask = ask;
    this.#retentionPolicy = retentionPolicy;
  }

  /** Of everybody; of a field with several types each of them. */
  all(measurement: OldRows["measurement"]): Promise<FieldOfType[]> {
    const known = this.#known.get(measurement) ?? this.#keys(measurement);
    this.#known.set(measurement, known);
    return known;
  }

  /** All that these devices have, in groups of which a statement can name one; perhaps some that they do not have. */
  async of(measurement: StoredRows["measurement"], devices: readonly Pseudonym[]): Promise<FieldOfType[][]> {
    const all = await this.all(measurement);
    if (all.length === 0) return [];
    if (all.length <= FIELDS_PER_STATEMENT) return [all];
    const own: FieldOfType[] = [];
    const candidates = groups(all, FIELDS_PER_STATEMENT);
    for (let from = 0; from < candidates.length; from += GROUPS_PER_REQUEST) {
      const some = candidates.slice(from, from + GROUPS_PER_REQUEST);
      const found = await this.#results(
        some.map((group) => anyFieldStatement(measurement, group, devices, this.#retentionPolicy)),
      );
      const hit = some.filter((_, index) => found[index]?.series !== undefined);
      for (const group of hit) own.push(...(await this.#had(measurement, group, devices)));
    }
    return groups(own, FIELDS_PER_STATEMENT);
  }

  async #had(
    measurement: StoredRows["measurement"],
    group: readonly FieldOfType[],
    devices: readonly Pseudonym[],
  ): Promise<FieldOfType[]> {
    const [result] = await this.#results([fieldCountStatement(measurement, group, devices, this.#retentionPolicy)]);
    const [series] = (result?.series ?? []) as readonly { readonly values?: readonly (readonly unknown[])[] }[];
    // The first column is a time.
    const counts = series?.values?.[0]?.slice(1) ?? [];
    return group.filter((_, index) => typeof counts[index] === "number" && counts[index] > 0);
  }

  async #keys(measurement: OldRows["measurement"]): Promise<FieldOfType[]> {
    for (let reading = 0; reading < READINGS; reading += 1) {
      const keys = await this.#pagesOfKeys(measurement);
      if (keys === undefined) continue;
      const conflicting = conflictingFields(keys);
      const several = new Set(conflicting.map(({ field }) => field));
      const plain = new Set(keys.map(([field]) => field).filter((field) => !several.has(field)));
      return [...[...plain].map((field) => ({ field })), ...conflicting];
    }
    throw new GatewayError("SINK_UNAVAILABLE", "fields change while they are listed");
  }

  /** Each page begins with the last of the one before; `undefined` when that one is gone and others may have moved up. */
  async #pagesOfKeys(measurement: OldRows["measurement"]): Promise<[field: string, type: string][] | undefined> {
    const keys: [string, string][] = [];
    for (;;) {
      const offset = Math.max(0, keys.length - 1);
      const [result] = await this.#results([fieldKeysStatement(measurement, KEYS_PER_PAGE, offset)]);
      const page = fieldKeysOf(result?.series);
      const [last, first] = [keys.at(-1), page[0]];
      // A name that came in between only lets some come twice.
      if (last !== undefined && (first === undefined || first[0] > last[0])) return undefined;
      const seen = keys.length;
      keys.push(...(last === undefined ? page : page.slice(1)));
      if (page.length < KEYS_PER_PAGE || keys.length === seen) return keys;
    }
  }

  async #results(statements: readonly string[]): Promise<readonly QueryResult[]> {
    const results = await this.#ask(statements);
    if (results === "too-long") throw new GatewayError("SINK_DENIED", "an answer about fields is too long");
    return results;
  }
}

function groups<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  );
}
