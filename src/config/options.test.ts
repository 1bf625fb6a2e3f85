import { describe, expect, it } from "vitest";
import { environmentName, type OptionRow, optionRows } from "./options.ts";

const rows = optionRows();
const everywhere = rows.flatMap((row) => [row, ...row.fields]);
const nameOf = (row: OptionRow) => row.path.join(".");

/** The unit an option's name must end in, or carry on one of its last two parts. */
const UNIT_NAMES: Record<string, RegExp> = {
  ms: /Ms(\.[a-z]+)?$/,
  s: /S$/,
  bytes: /Bytes$/,
  days: /Days$/,
  bits: /Bits$/,
  "messages/s": /perSecond$/,
  "logins/min": /PerMinute$/,
};

describe("the list of options", () => {
  it("derives environment names from paths, and no two alike", () => {
    expect(environmentName(["mqtt", "tcp", "port"])).toBe("CONSENTRY_MQTT_TCP_PORT");
    expect(environmentName(["redis", "keyPrefix"])).toBe("CONSENTRY_REDIS_KEY_PREFIX");
    expect(environmentName(["deidentify", "ip", "v4PrefixBits"])).toBe("CONSENTRY_DEIDENTIFY_IP_V4_PREFIX_BITS");
    const names = rows.flatMap((row) => row.environment ?? []);
    expect(new Set(names).size).toBe(names.length);
  });

  it("describes every option and every field of a list entry", () => {
    for (const row of everywhere) expect(row.description, nameOf(row)).toMatch(/^[A-Z`].{10,}[.;]$/s);
  });

  it("gives every option a default, except secrets and files", () => {
    const without = rows.filter((row) => row.default === undefined);
    for (const row of without) expect(row.secret === "always" || /File$/.test(nameOf(row)), nameOf(row)).toBe(true);
  });

  it("has the unit in the name", () => {
    for (const row of rows) {
      const pattern = UNIT_NAMES[row.unit ?? ""];
      if (pattern !== undefined) expect(nameOf(row)).toMatch(pattern);
      else if (row.kind === "number") expect(nameOf(row)).not.toMatch(/(Ms|Bytes|Days|Bits)$/);
    }
  });

  it("offers a file for every secret", () => {
    for (const row of everywhere.filter(({ secret }) => secret !== undefined)) {
      expect(
        everywhere.some((other) => nameOf(other) === `${nameOf(row)}File`),
        nameOf(row),
      ).toBe(true);
    }
  });
});
