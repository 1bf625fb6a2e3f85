/** Every golden case through the compiler, and every real publication of the four families that close the mechanism. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { compileDialect, type Dialect } from "./compile.ts";
import { readPublication } from "./read.ts";

interface Case {
  readonly family: string;
  readonly topic: string;
  readonly payload: string;
  readonly note: string;
  readonly connection: {
    readonly dialect: string;
    readonly device: string;
    readonly alias?: string;
    readonly children?: Readonly<Record<string, string>>;
  };
  readonly device?: string;
  readonly expect: Readonly<Record<string, unknown>>;
}

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
const cases = JSON.parse(read("tests/cases/dialects.json")) as Case[];
const vocabulary = new Vocabulary();
const compiled = new Map<string, Dialect>();

function dialect(name: string): Dialect {
  const file = `config/dialects/${name}.yaml`;
  const known = compiled.get(name) ?? compileDialect(read(file), file, vocabulary);
  compiled.set(name, known);
  return known;
}

describe("golden cases", () => {
  it.each(cases.map((one) => [one.topic, one.note, one] as const))(
    "%s: %s",
    (_, __, { topic, payload, connection, device, expect: expected }) => {
      const { children = {} } = connection;
      const sender = {
        isSelf: (word: string) => word === (connection.alias ?? connection.device),
        hasChild: (alias: string) => Object.hasOwn(children, alias),
      };
      const result = readPublication(dialect(connection.dialect), sender, topic, payload);
      if ("refused" in result) {
        expect(result.refused === "not-taken" ? { ignored: true } : { refused: result.refused }).toEqual(expected);
        return;
      }
      const [only] = result;
      expect(result).toHaveLength(1);
      expect(only?.telemetry).toEqual(expected);
      expect(only?.child === undefined ? connection.device : children[only.child]).toBe(device);
    },
  );
});
