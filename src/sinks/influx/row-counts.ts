/** Numbers of rows out of what InfluxDB answers to a count: one count for each field, of which the largest is taken. */

/** `series`: that of one statement for one device in one measurement. */
export function countedByInfluxQl(series: unknown): number {
  if (!Array.isArray(series)) return 0;
  let total = 0;
  for (const { values } of series as readonly { readonly values?: readonly (readonly unknown[])[] }[]) {
    // The first column is a time.
    const counts = (values?.[0] ?? []).slice(1).filter((value) => typeof value === "number");
    total += Math.max(0, ...counts);
  }
  return total;
}

/** Annotated CSV; none of its values can hold a comma. */
export function countedByFlux(csv: string): number {
  const largest = new Map<string, number>();
  let columns: string[] = [];
  for (const line of csv.split(/\r?\n/)) {
    if (line.trim() === "") columns = [];
    else if (line.startsWith("#")) continue;
    else if (columns.length === 0) columns = line.split(",");
    else {
      const cells = line.split(",");
      const cell = (name: string) => cells[columns.indexOf(name)] ?? "";
      const series = `${cell("_measurement")} ${cell("device")}`;
      largest.set(series, Math.max(largest.get(series) ?? 0, Number(cell("_time")) || 0));
    }
  }
  return [...largest.values()].reduce((total, count) => total + count, 0);
}
