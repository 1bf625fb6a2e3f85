import { expect, it } from "vitest";
import { metricSum } from "./prometheus-text.ts";

it("sums one metric over its labels, and no other that begins alike", () => {
  const text =
    '# TYPE a_total counter\na_total{reason="x"} 2\na_total{reason="y"} 3\na_total_more 100\na_totals 50\nb 7\n';
  expect(metricSum(text, "a_total")).toBe(5);
  expect(metricSum(text, "b")).toBe(7);
  expect(metricSum(text, "c")).toBe(0);
});
