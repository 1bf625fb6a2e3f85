/**
 * Finds the id of a device in what it says about itself, where it would pass by the pseudonym: in keys and
 * values, whatever the case, the separators or the escapes, and divided between a key and its value.
 */
import type { DeviceId } from "../../model/ids.ts";
import type { Unread } from "../../model/raw.ts";
import type { Vocabulary } from "../../vocabulary/vocabulary.ts";

export interface OwnId {
  /** Folded. */
  readonly name: string;
  /** What comes before the digits at its end; empty when it is digits alone. */
  readonly stem: string;
  /** The digits at its end, without zeros in front. */
  readonly digits: string;
  /** Too short without its separators: they count. */
  readonly exact: boolean;
}

/** Shorter ids would match by chance. */
const MIN_ID_LENGTH = 6;
const PLAIN = /^[a-z0-9]*$/;
const SEPARATORS = /[^a-z0-9]+/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const NOT_ASCII = /[^\u0000-\u007f]/;
/** What a reader further on may decode once more: of JSON, C, URLs and HTML. */
const ESCAPE =
  /\\u([0-9a-f]{4})|\\u\{([0-9a-f]{1,6})\}|\\x([0-9a-f]{2})|%([0-9a-f]{2})|&#x([0-9a-f]{1,6});|&#([0-9]{1,7});/gi;
const MAY_ESCAPE = /[\\%&]/;
/** An escape may hide another. */
const MAX_LAYERS = 4;
const LAST_CODE_POINT = 0x10ffff;

/** `undefined` for an id that is too short to be looked for. */
export function ownIdOf(id: DeviceId): OwnId | undefined {
  if (id.length < MIN_ID_LENGTH) return undefined;
  const folded = folding(id);
  const exact = folded.length < MIN_ID_LENGTH;
  const name = exact ? id.toLowerCase() : folded;
  const [tail = ""] = /[0-9]*$/.exec(name) ?? [];
  return { name, stem: name.slice(0, name.length - tail.length), digits: withoutZeros(tail), exact };
}

/**
 * Place and address are of a form that has no room for it; `id` and `ts` go no further than the time of a row. A key that is
 * `known` is one of a list, and says nothing of a device that happens to be called so.
 */
export function carriesOwnId(own: OwnId, { model, status }: Unread, known: Pick<Vocabulary, "get">): boolean {
  if (model !== undefined && says(own, "", model)) return true;
  for (const key in status) {
    const value = status[key];
    const name = known.get(key) === undefined ? key : "";
    if (typeof value === "string" ? says(own, name, value) : names(own, name, value)) return true;
  }
  return false;
}

/** Whether a text does, alone or as the end of what its key begins. */
function says({ name, exact }: OwnId, key: string, text: string): boolean {
  // Folding makes no ASCII text longer.
  if (key.length + text.length < name.length && !NOT_ASCII.test(text)) return false;
  const fold = exact ? lowering : folding;
  return (fold(key) + fold(text)).includes(name);
}

/** Whether a key does, or a number, or both together. */
function names({ name, stem, digits, exact }: OwnId, key: string, value: unknown): boolean {
  const folded = key.length < stem.length ? "" : exact ? key : folding(key);
  if (folded.length >= name.length && folded.includes(name)) return true;
  if (typeof value !== "number" || digits === "" || !folded.includes(stem)) return false;
  const number = folding(String(value));
  // A number alone is compared as a whole: a part of it is equal by chance, once in every so many counts.
  return stem === "" ? withoutZeros(number) === digits : (folded + number).includes(name);
}

/** Lower case, letters and digits alone, and letters of other forms (full width, with marks) as plain ones. */
function folding(text: string): string {
  return PLAIN.test(text) ? text : lowering(text).replace(SEPARATORS, "");
}

function lowering(text: string): string {
  const plain = MAY_ESCAPE.test(text) ? unescaped(text) : text;
  return (NOT_ASCII.test(plain) ? plain.normalize("NFKD") : plain).toLowerCase();
}

function unescaped(text: string): string {
  let plain = text;
  for (let layer = 0; layer < MAX_LAYERS; layer += 1) {
    const before = plain;
    plain = before.replace(ESCAPE, (written, ...found: (string | undefined)[]) => {
      const decimal = found[5];
      const hex = found.slice(0, 5).find((digits) => digits !== undefined);
      const code = Number.parseInt(decimal ?? hex ?? "", decimal === undefined ? 16 : 10);
      return code <= LAST_CODE_POINT ? String.fromCodePoint(code) : written;
    });
    if (plain === before) break;
  }
  return plain;
}

function withoutZeros(digits: string): string {
  return digits.replace(/^0+(?=.)/, "");
}
