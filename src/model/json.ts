/**
 * JSON as strangers send it: what surrounds it is no part of it, and an object that names a key twice is no
 * JSON of the gateway. Which of the two values counts is up to each reader (RFC 8259, section 4): what one takes for a
 * refusal, another takes for consent.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const SPACE = 0x20;
const BLANK = /\s/;

/**
 * The text without what editors and C programs leave around it: byte order marks, NULs and other control
 * characters, white space. A loop, because a pattern that looks for an end goes over a long run once for each of its characters.
 */
export function bareJson(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && surrounds(text.charCodeAt(from))) from += 1;
  while (to > from && surrounds(text.charCodeAt(to - 1))) to -= 1;
  return to - from === text.length ? text : text.slice(from, to);
}

/** U+FEFF, the byte order mark, counts as white space in ECMAScript. */
function surrounds(code: number): boolean {
  return code <= SPACE || (code > 0x7e && (code === 0x7f || BLANK.test(String.fromCharCode(code))));
}

/**
 * Whether an object in this text, at any depth, names a key twice; `value` is what JSON.parse made of the text. It
 * keeps one of two equal keys, however they are written, so fewer keys came out than went in.
 */
export function namesKeyTwice(text: string, value: unknown): boolean {
  const kept = keysOf(value);
  // Each key has its colon, and other colons stand in texts alone: without any, there is no need to look closer.
  return colonsIn(text) !== kept && keysIn(text) !== kept;
}

/** `undefined` when it is no JSON, or names a key twice. */
export function readJson(text: string): unknown {
  const bare = bareJson(text);
  try {
    const value: unknown = JSON.parse(bare);
    return namesKeyTwice(bare, value) ? undefined : value;
  } catch {
    return undefined;
  }
}

function colonsIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf(":"); at !== -1; at = text.indexOf(":", at + 1)) count += 1;
  return count;
}

/** Colons outside of texts. The text is valid JSON. */
function keysIn(text: string): number {
  let count = 0;
  let inText = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) inText = !inText;
    else if (code === BACKSLASH) at += 1;
    else if (code === COLON && !inText) count += 1;
  }
  return count;
}

/** Without recursion: a body may be nested deeper than the stack is. */
function keysOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  let inside: object[] | undefined;
  for (let object: object | undefined = value; object !== undefined; object = inside?.pop()) {
    const isList = Array.isArray(object);
    for (const key in object) {
      if (!isList) count += 1;
      const inner = (object as Record<string, unknown>)[key];
      if (typeof inner === "object" && inner !== null) {
        if (inside === undefined) inside = [inner];
        else inside.push(inner);
      }
    }
  }
  return count;
}
