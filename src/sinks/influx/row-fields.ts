/**
 * Under which fields somebody has rows, in InfluxQL. A wildcard names every field of the measurement, so that one device
 * with very many of them would make every answer about anybody as large. Here fields are asked for by name, and where
 * there are many, first whether these devices have any of a group of them: groups of strangers cost next to nothing, and
 * no more of the list than a page is kept, however long it is.
 */
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { QueryResult } from "./influxql.ts";
import { COLUMNS_OF_A_ROW, conflictingFields, fieldKeysOf } from "./row-answers.ts";
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
const FIELDS_PER_STATEMENT = 500;

/** The server makes the whole list for each page of it: few pages, as long as an answer may be. */
const KEYS_PER_PAGE = 40_000;
const FEWEST_KEYS_PER_PAGE = 500;
const STATEMENTS_PER_REQUEST = 4;
const NAMES_PER_STATEMENT = 100;

type Key = readonly [field: string, type: string];

export class RowFields {
  readonly #ask: AskStatements;
  readonly #retentionPolicy: string;
  readonly #keysPerPage: number;

  /** `keysPerPage` is where reading begins; a page that does not fit into one answer is made smaller. */
  constructor(ask: AskStatements, retentionPolicy: string, keysPerPage = KEYS_PER_PAGE) {
    this.#ask = ask;
    this.#retentionPolicy = retentionPolicy;
    this.#keysPerPage = keysPerPage;
  }

  /** Of everybody, of a field with several types each of them; `undefined` when a statement could not name them all. */
  async few(measurement: OldRows["measurement"]): Promise<FieldOfType[] | undefined> {
    const keys = await this.#keys(measurement, FIELDS_PER_STATEMENT + 1, 0);
    if (keys === "too-long" || keys.length > FIELDS_PER_STATEMENT) return undefined;
    return typed(keys);
  }

  /** All that these devices have, in groups of which a statement can name one; perhaps some that they do not have. */
  async *of(measurement: StoredRows["measurement"], devices: readonly Pseudonym[]): AsyncGenerator<FieldOfType[]> {
    const few = await this.few(measurement);
    if (few !== undefined) {
      if (few.length > 0) yield few;
      return;
    }
    let own: FieldOfType[] = [];
    for await (const page of this.#pages(measurement)) {
      for (const some of groups(groups(typed(page), FIELDS_PER_STATEMENT), STATEMENTS_PER_REQUEST)) {
        own.push(...(await this.#among(measurement, some, devices)));
        for (; own.length >= FIELDS_PER_STATEMENT; own = own.slice(FIELDS_PER_STATEMENT))
          yield own.slice(0, FIELDS_PER_STATEMENT);
      }
    }
    if (own.length > 0) yield own;
  }

  /** Which of the fields any of these devices has. */
  async #among(
    measurement: StoredRows["measurement"],
    candidates: readonly (readonly FieldOfType[])[],
    devices: readonly Pseudonym[],
  ): Promise<FieldOfType[]> {
    const own = new Set<FieldOfType>();
    for (const some of groups(devices, NAMES_PER_STATEMENT)) {
      const found = await this.#results(
        candidates.map((group) => anyFieldStatement(measurement, group, some, this.#retentionPolicy)),
      );
      const hit = candidates.filter((_, index) => found[index]?.series !== undefined);
      for (const group of hit) for (const field of await this.#had(measurement, group, some)) own.add(field);
    }
    return [...own];
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

  /**
   * Every name there is from beginning to end, in order; one that comes in between may be missing. A page leaves its last
   * name to the next one, which must begin no later: else others have gone and it moved up.
   */
  async *#pages(measurement: OldRows["measurement"]): AsyncGenerator<Key[]> {
    let limit = this.#keysPerPage;
    let offset = 0;
    let done: string | undefined;
    let expected: string | undefined;
    for (;;) {
      const page = await this.#keys(measurement, limit, offset);
      if (page === "too-long") {
        if (limit <= FEWEST_KEYS_PER_PAGE) throw new GatewayError("SINK_DENIED", "an answer about fields is too long");
        limit = limit >> 1;
        continue;
      }
      const [first] = page[0] ?? [];
      if (offset > 0 && expected !== undefined && (first === undefined || isBefore(expected, first))) {
        offset = Math.max(0, offset - limit);
        continue;
      }
      const whole = page.length < limit;
      const last = page.at(-1)?.[0];
      const until = whole ? page.length : page.findIndex(([field]) => field === last);
      const known = done;
      const fresh = page.slice(0, until).filter(([field]) => known === undefined || isBefore(known, field));
      if (fresh.length > 0) yield fresh;
      if (whole) return;
      done = fresh.at(-1)?.[0] ?? done;
      expected = last;
      offset += until;
    }
  }

  async #keys(measurement: OldRows["measurement"], limit: number, offset: number): Promise<Key[] | "too-long"> {
    const results = await this.#ask([fieldKeysStatement(measurement, limit, offset)]);
    return results === "too-long" ? results : fieldKeysOf(results[0]?.series);
  }

  async #results(statements: readonly string[]): Promise<readonly QueryResult[]> {
    const results = await this.#ask(statements);
    if (results === "too-long") throw new GatewayError("SINK_DENIED", "an answer about fields is too long");
    return results;
  }
}

function typed(all: readonly Key[]): FieldOfType[] {
  const keys = all.filter(([field]) => !COLUMNS_OF_A_ROW.has(field));
  const conflicting = conflictingFields(keys);
  const several = new Set(conflicting.map(({ field }) => field));
  const plain = new Set(keys.map(([field]) => field).filter((field) => !several.has(field)));
  return [...[...plain].map((field) => ({ field })), ...conflicting];
}

/** As the store orders names: by their bytes. */
function isBefore(left: string, right: string): boolean {
  return Buffer.compare(Buffer.from(left), Buffer.from(right)) < 0;
}

function groups<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  );
}
