/** Reads line protocol as the gateway writes it: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ */

export interface Row {
  readonly measurement: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, number | boolean | string>>;
  /** Unix ms, and the six digits below. */
  readonly time: number;
  readonly digits: number;
}

const NS_DIGITS = 6;

export function parseLine(line: string): Row {
  const [key = "", fields = "", time = ""] = split(line, " ");
  const [measurement = "", ...tags] = split(key, ",");
  return {
    measurement: plain(measurement),
    tags: Object.fromEntries(tags.map((tag) => pair(tag)).map(([name, value]) => [name, plain(value)])),
    fields: Object.fromEntries(
      split(fields, ",")
        .map((field) => pair(field))
        .map(([name, value]) => [name, fieldValue(value)]),
    ),
    time: Number(time.slice(0, -NS_DIGITS)),
    digits: Number(time.slice(-NS_DIGITS)),
  };
}

function pair(text: string): [name: string, value: string] {
  const [name = "", ...rest] = split(text, "=");
  return [plain(name), rest.join("=")];
}

function fieldValue(text: string): number | boolean | string {
  if (text.startsWith('"')) return text.slice(1, -1).replace(/\\(["\\])/g, "$1");
  if (/^(?:true|false|t|f)$/i.test(text)) return /^t/i.test(text);
  return Number(text.replace(/[iu]$/, ""));
}

/** At each `at` that is neither escaped nor in quotes. */
function split(text: string, at: string): string[] {
  const parts: string[] = [];
  let quoted = false;
  let from = 0;
  for (let index = 0; index < text.length; index += 1) {
    const letter = text[index];
    if (letter === "\\") index += 1;
    else if (letter === '"') quoted = !quoted;
    else if (letter === at && !quoted) {
      parts.push(text.slice(from, index));
      from = index + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

function plain(text: string): string {
  return text.replace(/\\([,= \\])/g, "$1");
}
