/** The log passes on the name of every option there is: what it does not know as a name it leaves out without a word. */
import { expect, test } from "vitest";
import { optionRows } from "../../src/config/options.ts";
import { createLog } from "../../src/observe/logger.ts";

test("every option, and every field of an entry of a list, can be named in a log line", () => {
  const names = optionRows().flatMap(({ path, fields }) => [
    path.join("."),
    ...fields.map((field) => [...path, "12", ...field.path].join(".")),
  ]);
  const written: string[] = [];
  const log = createLog("info", { write: (line: string) => void written.push(line) });
  for (const option of names) log.info("option changed", { option });
  expect(written.map((line) => (JSON.parse(line) as { option?: string }).option)).toEqual(names);
});
