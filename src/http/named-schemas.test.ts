import { expect, test } from "vitest";
import { withNamedSchemas } from "./named-schemas.ts";

const shape = (property: string, more: object = {}) => ({
  type: "object",
  properties: { [property]: { type: "string" } },
  ...more,
});
const answer = (schema: unknown) => ({ 200: { content: { "application/json": { schema } } } });
const route = (operationId: string, schema: unknown) => ({ get: { operationId, responses: answer(schema) } });
const body = (properties: object) => ({ type: "object", properties });

function schemasOf(...answers: unknown[]) {
  const paths = Object.fromEntries(
    answers.map((schema, index) => [`/${index}`, route(["first", "second"][index] ?? "", schema)]),
  );
  return withNamedSchemas({ paths });
}

test("an object that occurs twice has one name, and each place keeps its own words and examples", () => {
  const made = schemasOf(
    body({ device: shape("id", { description: "The lamp.", examples: [{ id: "a" }] }) }),
    body({ devices: { type: "array", items: shape("id") } }),
  );
  expect(made.components?.schemas).toEqual({
    Device: shape("id"),
    FirstAnswer: body({
      device: { $ref: "#/components/schemas/Device", description: "The lamp.", examples: [{ id: "a" }] },
    }),
    SecondAnswer: body({ devices: { type: "array", items: { $ref: "#/components/schemas/Device" } } }),
  });
});

test("two objects under one name are told apart by what is around them, or by what they say they are", () => {
  const both = { home: shape("street"), event: shape("at", { title: "Occurrence" }) };
  const other = { home: shape("city"), event: shape("at", { title: "Occurrence" }) };
  const made = schemasOf(body({ ...both, again: shape("street") }), body({ ...other, again: shape("city") }));
  const names = ["FirstAnswer", "Home", "Occurrence", "SecondAnswer", "SecondAnswerHome"];
  expect(Object.keys(made.components?.schemas ?? {})).toEqual(names);
  expect(made.components?.schemas).toMatchObject({ Home: shape("street"), SecondAnswerHome: shape("city") });
});

test("what is alone stays where it is, and the description that was given does not change", () => {
  const given = { paths: { "/": route("first", body({ once: shape("id") })) } };
  const before = structuredClone(given);
  const made = withNamedSchemas(given);
  expect(given).toEqual(before);
  expect(made.components?.schemas).toEqual({ FirstAnswer: body({ once: shape("id") }) });
});
