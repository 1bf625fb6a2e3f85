/** Publications of real devices as their firmware sends them: what is one of the four kinds arrives, and nothing else does. */
import { expect, it } from "vitest";
import { dialectNamed } from "../../tests/fixtures/dialects.ts";
import { bytesOf, families, SETUPS, saidBy } from "../../tests/fixtures/real-devices.ts";
import { readPublication } from "./read.ts";

/** What is written by hand may be on a topic of the native contract, and families without a dialect have none to read. */
const inDialects = SETUPS.flatMap((setup) =>
  setup.dialect === undefined
    ? []
    : saidBy(setup)
        .filter(([, { topic = "" }]) => !topic.startsWith("devices/"))
        .map((said) => [`${setup.family} ${said[0].what}`, setup, ...said] as const),
);

it.each(inDialects)("%s", (_, { family, dialect = "", alias, other, children = [] }, publication, expected) => {
  const self = alias ?? other?.id ?? families[family]?.id;
  const sender = { isSelf: (word: string) => word === self, hasChild: (called: string) => children.includes(called) };
  const topic = expected.topic ?? publication.topic;
  const result = readPublication(dialectNamed(dialect), sender, topic, String(bytesOf(publication.payload)));
  expect("refused" in result ? result.refused : "accepted").toBe(expected.outcome);
});

it("knows as many of them as there are", () => {
  expect(inDialects).toHaveLength(65);
});
