/** What every family takes and leaves out, case by case, as its firmware publishes it; strangers, friends and neighbours among them. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { compileDialect, type Dialect } from "./compile.ts";
import { readPublication } from "./read.ts";

interface Case {
  readonly dialect: string;
  readonly self: string;
  readonly topic: string;
  readonly payload: string;
  /** A refusal, or the message with the alias of its child. */
  readonly expect: Readonly<Record<string, unknown>>;
}

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
const cases = JSON.parse(read("tests/cases/families.json")) as readonly Case[];
const vocabulary = new Vocabulary();
const families = [...new Set(cases.map(({ dialect }) => dialect))];

/** Everything is registered behind a hub but what is called a stranger; names hold no slash but one. */
const hasChild = (alias: string): boolean => alias === "room/lamp" || !/^stranger|\//.test(alias);

describe.each(families)("%s", (name) => {
  const file = `config/dialects/${name}.yaml`;
  const dialect: Dialect = compileDialect(read(file), file, vocabulary);
  it.each(cases.filter((one) => one.dialect === name).map((one) => [one.topic, one.payload, one] as const))(
    "%s %s",
    (_, __, { self, topic, payload, expect: expected }) => {
      const result = readPublication(dialect, { isSelf: (word) => word === self, hasChild }, topic, payload);
      if ("refused" in result) {
        expect({ refused: result.refused }).toEqual(expected);
        return;
      }
      const [{ child, telemetry } = { child: undefined, telemetry: {} }] = result;
      expect(result).toHaveLength(1);
      expect({ ...(child !== undefined && { child }), ...telemetry }).toEqual(expected);
    },
  );
});

it("has cases for every family that comes with the gateway", () => {
  expect(families.length).toBe(18);
});
