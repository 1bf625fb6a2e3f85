/**
 * Topic patterns of dialects. `{child}` may span levels where a fixed level or the end follows, as names of Zigbee2MQTT
 * may hold a slash.
 */
export type Level =
  | { readonly is: "fixed"; readonly word: string }
  | { readonly is: "self" | "child" | "leaf" | "any" | "rest" };

export interface Pattern {
  readonly text: string;
  readonly levels: readonly Level[];
  /** The level of `{child}`; -1 without one. */
  readonly child: number;
  /** It may be several levels. */
  readonly spans: boolean;
}

export interface Match {
  /** The alias that stands there; `undefined` when the pattern has none. */
  readonly child: string | undefined;
  readonly leaf: string | undefined;
}

const MOST_LEVELS = 8;
const PLACEHOLDER = /[{}#+]/;

/** Why a pattern is none; its text otherwise compiled. */
export function patternOf(text: string): Pattern | { readonly fault: string } {
  const words = text.split("/");
  if (words.length > MOST_LEVELS) return { fault: `more than ${MOST_LEVELS} levels` };
  const levels: Level[] = [];
  for (const [index, word] of words.entries()) {
    if (word === "{self}") levels.push({ is: "self" });
    else if (word === "{child}") levels.push({ is: "child" });
    else if (word === "{leaf}") levels.push({ is: "leaf" });
    else if (word === "+") levels.push({ is: "any" });
    else if (word === "#" && index === words.length - 1) levels.push({ is: "rest" });
    else if (word === "" || PLACEHOLDER.test(word))
      return { fault: `level "${word}" is neither a word nor a placeholder` };
    else levels.push({ is: "fixed", word });
  }
  for (const one of ["self", "child", "leaf"] as const)
    if (levels.filter(({ is }) => is === one).length > 1) return { fault: `{${one}} stands there twice` };
  const child = levels.findIndex(({ is }) => is === "child");
  const next = levels[child + 1];
  const spans = child !== -1 && levels.at(-1)?.is !== "rest" && (next === undefined || next.is === "fixed");
  return { text, levels, child, spans };
}

/** Whether the topic is of this shape. `reserved`: words at which no alias of a child may begin. */
export function matchTopic(
  { levels, child, spans }: Pattern,
  words: readonly string[],
  sender: { isSelf(word: string): boolean },
  reserved: ReadonlySet<string>,
): Match | undefined {
  const open = levels.at(-1)?.is === "rest";
  const fixed = open ? levels.length - 1 : levels.length;
  if (words.length < fixed) return undefined;
  const spare = words.length - fixed;
  if (spare > 0 && !open && !spans) return undefined;
  let leaf: string | undefined;
  for (let index = 0; index < fixed; index += 1) {
    const level = levels[index];
    const word = words[spans && index > child ? index + spare : index];
    if (level === undefined || word === undefined || word === "") return undefined;
    if (level.is === "fixed" && level.word !== word) return undefined;
    if (level.is === "self" && !sender.isSelf(word)) return undefined;
    if (level.is === "leaf") leaf = word;
  }
  const alias = words[child];
  if (alias === undefined) return { child: undefined, leaf };
  if (reserved.has(alias)) return undefined;
  return { child: spans && spare > 0 ? words.slice(child, child + spare + 1).join("/") : alias, leaf };
}

/** Whether every topic of `filter` is one of `granted`, in which `{self}` stands for the device. */
export function covers(granted: string, filter: string, isSelf: (word: string) => boolean): boolean {
  const asked = filter.split("/");
  const given = granted.split("/");
  for (const [index, word] of given.entries()) {
    if (word === "#") return true;
    const level = asked[index];
    if (level === undefined || level === "#") return false;
    if (word === "{self}" ? !isSelf(level) : word !== "+" && word !== level) return false;
  }
  return asked.length === given.length;
}
