/** The ways in which a value may be written and still be that value. */
export const CANARY_KINDS = [
  "device-id",
  "subject-id",
  "token",
  "ip",
  "coordinate",
  "cell",
  "total",
  "message-id",
  "account",
  "alias",
  "network",
  "code",
  "service-token",
] as const;
export type CanaryKind = (typeof CANARY_KINDS)[number];

/** Something personal or secret that was sent, and must not be found anywhere afterwards. At least eight bytes. */
export interface Canary {
  readonly kind: CanaryKind;
  readonly value: string;
}

export interface CanaryForm {
  readonly form: string;
  readonly bytes: Buffer;
}

/** Digits after which a coordinate names a doorstep (about a metre): a rounded leak is a leak. */
const DOORSTEP_DECIMALS = 6;

export function formsOf({ kind, value }: Canary): CanaryForm[] {
  const raw = Buffer.from(value);
  const forms: CanaryForm[] = [{ form: "plain", bytes: raw }];
  const add = (form: string, bytes: Buffer) => {
    const known = forms.some((other) => other.bytes.equals(bytes));
    if (!known && bytes.length >= 8) forms.push({ form, bytes });
  };
  add("hex", Buffer.from(raw.toString("hex")));
  add("hex", Buffer.from(raw.toString("hex").toUpperCase()));
  for (const offset of [0, 1, 2]) {
    const text = base64Core(raw, offset);
    add("base64", Buffer.from(text));
    add("base64url", Buffer.from(text.replaceAll("+", "-").replaceAll("/", "_")));
  }
  add("url-encoded", Buffer.from(encodeURIComponent(value)));
  add("JSON-escaped", Buffer.from(JSON.stringify(value).slice(1, -1)));
  add("UTF-16", Buffer.from(value, "utf16le"));
  if (kind === "coordinate" || kind === "total") for (const { form, bytes } of coordinateForms(value)) add(form, bytes);
  return forms;
}

/** The characters that are the same whatever stands before and after, for each of three alignments. */
function base64Core(raw: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), raw]).toString("base64");
  const first = Math.ceil((offset * 8) / 6);
  const whole = Math.floor(((offset + raw.length) * 8) / 6);
  return text.slice(first, whole);
}

function coordinateForms(value: string): CanaryForm[] {
  const double = Buffer.alloc(8);
  double.writeDoubleBE(Number(value));
  const truncated = value.slice(0, value.indexOf(".") + 1 + DOORSTEP_DECIMALS);
  return [
    { form: "double", bytes: double },
    { form: "double", bytes: Buffer.from(double).reverse() },
    ...(truncated.length < value.length ? [{ form: "truncated", bytes: Buffer.from(truncated) }] : []),
  ];
}
