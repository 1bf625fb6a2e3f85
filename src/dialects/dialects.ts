/**
 * The dialects that a gateway knows, by name. One that comes with it is compiled when it is first asked for: most gateways need a
 * few. The operator's own can be exchanged while it runs: who holds a dialect reads on by it, who asks gets the new one.
 */
import type { Vocabulary } from "../vocabulary/vocabulary.ts";
import { compileDialect, type Dialect, DialectFaults } from "./compile.ts";

export interface DialectSource {
  /** As the faults name it. */
  readonly file: string;
  /** What the file says its name is. */
  readonly name: string;
  readonly read: () => string;
}

/** A file of the operator's own, compiled. */
export interface OwnDialect {
  readonly text: string;
  readonly dialect: Dialect;
}

export class Dialects {
  readonly #vocabulary: Vocabulary;
  #own: ReadonlyMap<string, OwnDialect> = new Map();
  readonly #sources = new Map<string, DialectSource>();
  readonly #compiled = new Map<string, Dialect>();
  #models: Dialect["models"] | undefined;

  constructor(sources: readonly DialectSource[], vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    for (const source of sources) this.#sources.set(source.name, source);
  }

  get names(): readonly string[] {
    return [...this.#sources.keys()];
  }

  has(name: string): boolean {
    return this.#sources.has(name) || this.#own.has(name);
  }

  /** Throws DialectFaults for a file that does not compile. */
  get(name: string): Dialect | undefined {
    const known = this.#own.get(name)?.dialect ?? this.#compiled.get(name);
    if (known !== undefined) return known;
    const source = this.#sources.get(name);
    if (source === undefined) return undefined;
    const dialect = compileDialect(source.read(), source.file, this.#vocabulary);
    if (dialect.name !== name)
      throw new DialectFaults([`${source.file}: says it is ${dialect.name}, and its name is ${name}`]);
    this.#compiled.set(name, dialect);
    return dialect;
  }

  /**
   * Takes these in place of all that were the operator's own; one may take the place of one that comes with the gateway, and of
   * two of one name the later counts. A file that says what it said stays the object that it was. Returns whether anything changed.
   */
  useOwn(files: readonly OwnDialect[]): boolean {
    const before = this.#own;
    const own = new Map<string, OwnDialect>();
    for (const file of files) {
      const known = before.get(file.dialect.name);
      own.set(file.dialect.name, known?.text === file.text ? known : file);
    }
    this.#own = own;
    this.#models = undefined;
    return own.size !== before.size || [...own].some(([name, file]) => before.get(name) !== file);
  }

  /** What every dialect says of models, the operator's own first. */
  get models(): Dialect["models"] {
    this.#models ??= [...new Set([...this.#own.keys(), ...this.#sources.keys()])].flatMap(
      (name) => this.get(name)?.models ?? [],
    );
    return this.#models;
  }
}
