import { expect, test } from "vitest";
import { codeSize } from "../../scripts/statements.ts";

test("statements, members and cases count, blocks and layout do not", () => {
  const text = `// why
/** what */
export function f(a: number): number {
  if (a > 0) { return 1; }

  switch (a) { case 0: return 2; default: break; }
  return 3;
}
class C {
  x = 1;
  m(): void {}
}`;
  // f, if, return, switch, case, return, default, break, return, C, x, m
  expect(codeSize([text])).toMatchObject({ files: 1, statements: 12 });
  expect(codeSize([text.replaceAll("; ", ";\n")]).statements).toBe(12);
  expect(codeSize([text]).commentShare).toBeCloseTo(2 / 11);
});
