/**
 * Words in a key that name an account or a person. A key is split at everything that is no letter and at changes of case, and
 * words that stand beside each other are also read as one: `user_id`, `userId` and `USER-ID` are all `userid`.
 */

/** A message that carries one of them brings account data along: it is refused as a whole. */
export const ACCOUNT_WORDS: ReadonlySet<string> = new Set(
  (
    "account username userid login password passwd pwd secret token email mail nickname firstname lastname surname " +
    "phone mobile msisdn birthday birthdate dob ssn passport"
  ).split(" "),
);
/** Two words of a key that make one of the list together; none has more parts than `e mail` or `pass word`. */
const MOST_JOINED = 3;

/** A person, a place or an address (`ipv` of `ipv4`, since digits part words): left out like any unknown key, and counted apart so that an operator sees it. */
const PERSONAL = new Set(
  (
    "user name address street city zip postcode postal age gender " +
    "lat lon lng latitude longitude gps geo position coordinates location place altitude ip ipv mac imei imsi iccid serial ssid bssid " +
    "device deviceid subject subjectid owner contact contacts"
  ).split(" "),
);

// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const NOT_ASCII = /[^\u0000-\u007f]/;
/** `userName`, and `IDToken` before its last capital: looked at, not taken, so that of `aBToken` both are found. */
const CASE_CHANGES = /(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g;
/** `TOKENvalue`: a word in capitals may be followed by one in small letters. */
const CAPITALS_END = /(?<=[A-Z]{2})(?=[a-z])/g;
/** Marks, and what is not seen: a soft hyphen, a space without width. */
const NO_LETTER_OF_ITS_OWN = /[\p{M}\p{Cf}]+/gu;
const NO_LETTERS = /[^a-z]+/;
const CAPITAL = /[A-Z]/;

/** What a key is about, if it is one of these; account data comes first. */
export function kindOfKey(key: string): "account" | "personal" | undefined {
  // Letters of other forms, full width or with marks, as plain ones.
  const plain = NOT_ASCII.test(key) ? key.normalize("NFKD").replace(NO_LETTER_OF_ITS_OWN, "") : key;
  if (!CAPITAL.test(plain)) return kindOfWords(plain);
  const kind = kindOfWords(plain.replace(CASE_CHANGES, " ").toLowerCase());
  if (kind === "account" || plain.search(CAPITALS_END) < 0) return kind;
  return kindOfWords(plain.replace(CAPITALS_END, " ").toLowerCase()) ?? kind;
}

export function isAccountKey(key: string): boolean {
  return kindOfKey(key) === "account";
}

function kindOfWords(text: string): "account" | "personal" | undefined {
  const words = text.split(NO_LETTERS);
  let personal = false;
  for (let from = 0; from < words.length; from += 1) {
    let joined = "";
    for (let to = from; to < words.length && to < from + MOST_JOINED; to += 1) {
      joined += words[to];
      if (ACCOUNT_WORDS.has(joined)) return "account";
      if (PERSONAL.has(joined)) personal = true;
    }
  }
  return personal ? "personal" : undefined;
}
