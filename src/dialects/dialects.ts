/** The dialects that a gateway knows, by name. One is compiled when it is first asked for: most gateways need a few. */
import type { Vocabulary } from "../vocabulary/vocabulary.ts";
import { compileDialect, type Dialect, DialectFaults } from "./compile.ts";

export interface DialectSource {
  /** As the faults name it. */
  readonly file: string;
  /** What the file says its name is. */
  readonly name: string;
  readonly read: () => string;
}

export class Dialects {
  readonly #vocabulary: Vocabulary;
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
    return this.#sources.has(name) || this.#compiled.has(name);
  }

  /** Throws DialectFaults for a file that does not compile. */
  get(name: string): Dialect | undefined {
    const known = this.#compiled.get(name);
    if (known !== undefined) return known;
    const source = this.#sources.get(name);
    if (source === undefined) return undefined;
    const dialect = compileDialect(source.read(), source.file, this.#vocabulary);
    if (dialect.name !== name)
      throw new DialectFaults([`${source.file}: says it is ${dialect.name}, and its name is ${name}`]);
    this.#compiled.set(name, dialect);
    return dialect;
  }

  /** Takes in a file of the operator's own; it may take the place of one that comes with the gateway. Throws DialectFaults. */
  add(text: string, file: string): void {
    const dialect = compileDialect(text, file, this.#vocabulary);
    this.#compiled.set(dialect.name, dialect);
  }

  /** What every dialect says of models, the operator's own first. */
  get models(): Dialect["models"] {
    this.#models ??= [...new Set([...this.#compiled.keys(), ...this.#sources.keys()])].flatMap(
      (name) => this.get(name)?.models ?? [],
    );
    return this.#models;
  }
}
