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

/** A person, a place or an address: left out like any unknown key, and counted apart so that an operator sees it. */
const PERSONAL = new Set(
  (
    "user name address street city zip postcode postal age gender " +
    "lat lon lng latitude longitude gps geo position coordinates location place altitude ip ipv4 ipv6 mac imei imsi iccid serial ssid bssid " +
    "device deviceid subject subjectid owner contact contacts"
  ).split(" "),
);

// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const NOT_ASCII = /[^\u0000-\u007f]/;
const CASE_CHANGES = /([a-z])([A-Z])|([A-Z])([A-Z][a-z])/g;
const NO_LETTERS = /[^a-z]+/;

export function isAccountKey(key: string): boolean {
  return has(key, ACCOUNT_WORDS);
}

export function isPersonalKey(key: string): boolean {
  return has(key, PERSONAL);
}

function has(key: string, list: ReadonlySet<string>): boolean {
  const words = wordsOf(key);
  for (let from = 0; from < words.length; from += 1) {
    let joined = "";
    for (let to = from; to < words.length && to < from + MOST_JOINED; to += 1) {
      joined += words[to];
      if (list.has(joined)) return true;
    }
  }
  return false;
}

function wordsOf(key: string): string[] {
  // Letters of other forms, full width or with marks, as plain ones.
  const plain = NOT_ASCII.test(key) ? key.normalize("NFKD").replace(/\p{M}+/gu, "") : key;
  return plain
    .replace(CASE_CHANGES, "$1$3 $2$4")
    .toLowerCase()
    .split(NO_LETTERS)
    .filter((word) => word !== "");
}
