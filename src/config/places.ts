/** Where an option was given: the line of the file, or the variable of the environment, which prevails. */
import { basename } from "node:path";
import { type Document, isMap, isScalar, isSeq, type LineCounter, type Node } from "yaml";

export class Places {
  /** By the path of the option. */
  readonly #variables = new Map<string, string>();
  #file: { readonly name: string; readonly document: Document; readonly lines: LineCounter } | undefined;

  useFile(file: string, document: Document, lines: LineCounter): void {
    this.#file = { name: basename(file), document, lines };
  }

  setBy(path: readonly string[], variable: string): void {
    this.#variables.set(path.join("."), variable);
  }

  /** Of the option itself, else of the nearest thing around it that was given. */
  of(path: readonly string[]): string | undefined {
    for (let length = path.length; length > 0; length -= 1) {
      const variable = this.#variables.get(path.slice(0, length).join("."));
      if (variable !== undefined) return `in ${variable}`;
    }
    const line = this.#lineOf(path);
    return line === undefined ? undefined : `at ${this.#file?.name}:${line}`;
  }

  #lineOf(path: readonly string[]): number | undefined {
    if (this.#file === undefined) return undefined;
    let node: unknown = this.#file.document.contents;
    let offset: number | undefined;
    for (const name of path) {
      const next = below(node, name);
      if (next === undefined) break;
      ({ node } = next);
      offset = next.offset ?? offset;
    }
    return offset === undefined ? undefined : this.#file.lines.linePos(offset).line;
  }
}

/** What stands under a key or at a place of a list, and where that key or entry begins. */
function below(node: unknown, name: string): { node: unknown; offset: number | undefined } | undefined {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && key.value === name);
    return pair && { node: pair.value, offset: (pair.key as Node).range?.[0] };
  }
  if (!isSeq(node)) return undefined;
  const entry = node.items[Number(name)];
  return entry === undefined ? undefined : { node: entry, offset: (entry as Node).range?.[0] };
}
