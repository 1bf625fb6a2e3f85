/** Whatever happens to the list of fields while it is read page by page, nobody's own field is missed. */
import { expect, test } from "vitest";
import type { Pseudonym } from "../../model/ids.ts";
import { RowFields } from "./row-fields.ts";

const ANNA = "anna" as Pseudonym;
const NAMES = Array.from({ length: 2_000 }, (_, n) => `f${String(n).padStart(4, "0")}`);
const OWN = ["f0003", "f0699", "f0700", "f0701", "f1400", "f1999"];

/** A store that has these fields, of which `OWN` are Anna's; `meanwhile` happens after each page of the list. */
function fieldsOf(list: [string, string][], meanwhile: (page: number) => void = () => {}) {
  let pages = 0;
  let longest = 0;
  const ask = async (statements: readonly string[]) =>
    statements.map((statement) => {
      const [, limit, offset] = /LIMIT (\d+) OFFSET (\d+)$/.exec(statement) ?? [];
      if (limit !== undefined) {
        const sorted = [...list].sort(([left], [right]) => (left < right ? -1 : 1));
        const values = sorted.slice(Number(offset), Number(offset) + Number(limit));
        longest = Math.max(longest, values.length);
        meanwhile(pages++);
        return values.length === 0 ? {} : { series: [{ columns: ["fieldKey", "fieldType"], values }] };
      }
      const named = [...statement.matchAll(/"(f\d{4})"(?:::\w+)?(?=[,) ])/g)].map(([, name]) => name ?? "");
      const counts = named.map((name) => (OWN.includes(name) ? 1 : 0));
      if (!counts.includes(1)) return {};
      return { series: [{ values: [[0, ...counts]] }] };
    });
  return { fields: new RowFields(ask, "", 700), longest: () => longest };
}

async function own(fields: RowFields): Promise<string[]> {
  const found: string[] = [];
  for await (const group of fields.of("device_status", [ANNA]))
    found.push(...group.map(({ field, type }) => (type === undefined ? field : `${field} ${type}`)));
  return found;
}

const floats = () => NAMES.map((name): [string, string] => [name, "float"]);

test("of many only those that somebody has, each once, and never more of the list than a page", async () => {
  const { fields, longest } = fieldsOf(floats());
  expect(await own(fields)).toEqual(OWN);
  expect(longest()).toBe(700);
});

test("names that come or go in between hide none", async () => {
  const list = floats();
  const change = (page: number) => {
    // The first question is whether there are few.
    if (page === 1) list.splice(0, 600, ["f0003", "float"]);
    if (page === 3) for (let n = 0; n < 50; n += 1) list.push([`e${n}`, "float"]);
  };
  expect(await own(fieldsOf(list, change).fields)).toEqual(OWN);
});

test("both types of a field are found, also where a page ends between them", async () => {
  const { fields } = fieldsOf([...floats(), ["f0699", "string"]]);
  expect((await own(fields)).filter((one) => one.startsWith("f0699"))).toEqual(["f0699 float", "f0699 string"]);
});
