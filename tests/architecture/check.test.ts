/** Format, lint, import law, types and unused code, as `npm run check` judges them: part of every test run. */
import { expect, test } from "vitest";
import { CHECKS, runCheck } from "../../scripts/check.ts";

test.each(CHECKS.map((check) => [check.what, check] as const))("%s", { timeout: 240_000 }, async (_what, check) => {
  const { good, output } = await runCheck(check);
  expect(good, output).toBe(true);
});
