import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AnalyticsRecord, StatusValue } from "../../model/deidentified.ts";
import type { CellId, Pseudonym } from "../../model/ids.ts";
import { StoredFields } from "./fields.ts";
import { activityLine, encodeBatch, placeLine, statusLine } from "./line-protocol.ts";

const device = "AAAAAAAAAAAAAAAAAAAAAA" as Pseudonym;
const cell = "8560145bfffffff" as CellId;
const numbers = new StoredFields(
  ["a", "b", "c", "n", "battery", "big", "tiny", "zero"].map((name) => ({ name, kind: "number" })),
);
const texts = new StoredFields([{ name: "note", kind: "word" }]);
/** A table in which everything of a status has its own type. */
const fieldsOf = (status: Readonly<Record<string, StatusValue>>) =>
  new StoredFields(
    Object.entries(status).map(([name, one]) => ({
      name,
      kind: typeof one === "number" ? "number" : typeof one === "string" ? "word" : "flag",
    })),
  );

/** A reader of the protocol, written from its specification and not from the encoder. */
function read(line: string) {
  let position = 0;
  const until = (stops: string): string => {
    let text = "";
    while (position < line.length && !stops.includes(line[position] ?? "")) {
      if (line[position] === "\\" && ",= ".includes(line[position + 1] ?? "?")) position += 1;
      text += line[position++];
    }
    return text;
  };
  const measurement = until(", ");
  const tags: Record<string, string> = {};
  while (line[position] === ",") {
    position += 1;
    const key = until("=");
    position += 1;
    tags[key] = until(", ");
  }
  const fields: Record<string, StatusValue> = {};
  do {
    position += 1;
    const key = until("=");
    position += 1;
    fields[key] = value();
  } while (line[position] === ",");
  expect(line[position]).toBe(" ");
  return { measurement, tags, fields, timestamp: line.slice(position + 1) };

  function value(): StatusValue {
    if (line[position] !== '"') {
      const text = until(", ");
      if (text === "true" || text === "false") return text === "true";
      expect(text).toMatch(/^-?\d+(\.\d+)?(e[+-]\d+)?$/);
      return Number(text);
    }
    let text = "";
    for (position += 1; line[position] !== '"'; position += 1) {
      if (line[position] === "\\" && '"\\'.includes(line[position + 1] ?? "?")) position += 1;
      text += line[position];
    }
    position += 1;
    return text;
  }
}

const printable = (text: string) => [...text].map((c) => (c < " " || c === "\u007f" ? " " : c)).join("");
const key = fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/);
const awkward = fc.string({ unit: fc.constantFrom(..."ab,= \\\"'\n\r\t#/ä€😀"), maxLength: 20 });
const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
  fc.boolean(),
  awkward,
  fc.string({ unit: "grapheme", maxLength: 64 }),
);

describe("statusLine", () => {
  it("can be read back: fields, tags and time", () => {
    const status = fc.dictionary(key, value, { minKeys: 1, maxKeys: 32, noNullPrototype: true });
    fc.assert(
      fc.property(status, awkward, (fields, model) => {
        const line = statusLine(
          { device, model, status: fields, timestampNs: "1795335265020000042" },
          fieldsOf(fields),
        );
        expect(line).not.toContain("\n");
        const back = read(line ?? "");
        expect(back.measurement).toBe("device_status");
        expect(back.timestamp).toBe("1795335265020000042");
        const tag = printable(model).replace(/\\+$/, "");
        expect(back.tags).toEqual(tag === "" ? { device } : { device, model: tag });
        const expected = Object.entries(fields).map(([name, one]) => [
          name,
          typeof one === "string" ? printable(one) : one,
        ]);
        expect(back.fields).toEqual(Object.fromEntries(expected));
      }),
      { numRuns: 500 },
    );
  });

  it("never writes an integer, whose type would fight with a float of the same field", () => {
    const line = statusLine(
      { device, status: { battery: 87, big: 1e21, tiny: 5e-324, zero: -0 }, timestampNs: "1" },
      numbers,
    );
    expect(line).toBe(`device_status,device=${device} battery=87,big=1e+21,tiny=5e-324,zero=0 1`);
  });

  it("leaves out what no number can say, and the line when nothing is left", () => {
    const odd = { a: Number.NaN, b: Number.POSITIVE_INFINITY };
    expect(statusLine({ device, status: { ...odd, c: 1 }, timestampNs: "1" }, numbers)).toBe(
      `device_status,device=${device} c=1 1`,
    );
    expect(statusLine({ device, status: odd, timestampNs: "1" }, numbers)).toBeUndefined();
    expect(statusLine({ device, timestampNs: "1" }, numbers)).toBeUndefined();
  });

  it("cannot be made to end early: a line break in a text would be a line of its own to some servers", () => {
    const forged = `x"\ndevice_location,device=${device} cell="8560145bfffffff" 0`;
    const line = statusLine({ device, model: "a\nb", status: { note: forged }, timestampNs: "1" }, texts) ?? "";
    expect(line.split(/[\r\n]/)).toHaveLength(1);
    expect(Object.keys(read(line).fields)).toEqual(["note"]);
  });
});

describe("the table of fields", () => {
  const table = new StoredFields([
    { name: "temperature", kind: "number" },
    { name: "energy", kind: "counter" },
    { name: "open", kind: "flag" },
    { name: "mode", kind: "word" },
    { name: "time", kind: "number" },
    { name: "device", kind: "word" },
    { name: "model", kind: "word" },
  ]);

  it.each([
    [{ temperature: 20, energy: 0.5, open: false, mode: "heat" }, 'temperature=20,energy=0.5,open=false,mode="heat"'],
    [{ unknown: 1, open: true }, "open=true"],
    // Only this table may decide the type of a field.
    [{ temperature: "20", energy: true, open: 1, mode: 5 }, undefined],
    [{ temperature: Number.NaN, energy: Number.POSITIVE_INFINITY, open: true }, "open=true"],
    // InfluxDB drops a field called `time` without a word.
    [{ time: 1, device: "other", model: "other", open: true }, "open=true"],
  ])("of %j writes %s", (status, expected) => {
    const line = statusLine({ device, status, timestampNs: "1" }, table);
    expect(line).toBe(expected && `device_status,device=${device} ${expected} 1`);
  });
});

describe("placeLine and activityLine", () => {
  it("carry a place and the start of its epoch or window, and nothing of any message", () => {
    expect(placeLine({ device, cell, resolution: 5, epochStart: 1_784_160_000_000 })).toBe(
      `device_location,device=${device} cell="${cell}",resolution=5 1784160000000000000`,
    );
    expect(activityLine({ cell, devices: 7, messages: 31, timestampNs: "1784160000000000000" })).toBe(
      `cell_activity,cell=${cell} devices=7,messages=31 1784160000000000000`,
    );
  });
});

describe("encodeBatch", () => {
  it("knows the record of every line, and writes no place", () => {
    const at = (index: number): AnalyticsRecord => ({
      device: (index % 2 === 0 ? "even" : "odd") as Pseudonym,
      timestampNs: `${index}`,
      ...(index === 1 ? {} : { status: { n: index } }),
    });
    const { lines, owners } = encodeBatch([0, 1, 2, 3].map(at), numbers);
    expect(owners).toEqual([0, 2, 3]);
    for (const line of lines) expect(line.startsWith("device_status,")).toBe(true);
  });
});
