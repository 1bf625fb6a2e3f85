/** Account data refuses a message however its key is spelled; a word that only contains such a word does not. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAccountKey, kindOfKey } from "./key-words.ts";
import { TABLE } from "./table.ts";

/** Listed a second time: a word that falls out of the list must not fall out of the test. */
const ACCOUNT_WORDS =
  "account username userid login password passwd pwd secret token email mail nickname firstname lastname surname phone mobile msisdn birthday birthdate dob ssn passport".split(
    " ",
  );
const PERSONAL_WORDS =
  "user name address street city zip postcode postal age gender lat lon lng latitude longitude gps geo position coordinates location place altitude ip ipv4 ipv6 mac imei imsi iccid serial ssid bssid device deviceid subject subjectid owner contact contacts".split(
    " ",
  );

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
const fullWidth = (word: string) =>
  [...word].map((letter) => String.fromCodePoint((letter.codePointAt(0) ?? 0) - 0x21 + 0xff01)).join("");

describe("isAccountKey", () => {
  it.each(ACCOUNT_WORDS)("finds %s in every spelling", (word) => {
    const spellings = [
      word,
      word.toUpperCase(),
      capital(word),
      `my_${word}`,
      `${word}_hash`,
      `wifi-${word}`,
      `${word}.value`,
      `device/${word}`,
      `${word}1`,
      `2${word}`,
      `my${capital(word)}`,
      `${word}Value`,
      `my${capital(word)}Value`,
      `MY${capital(word)}`,
      `a${"B"}${capital(word)}`,
      `${word.toUpperCase()}value`,
      `MY_${word.toUpperCase()}`,
      ` ${word} `,
      fullWidth(word),
      `my_${fullWidth(word.toUpperCase())}`,
      [...word].join("\u0301"),
      [...word].join("\u00ad"),
      [...word].join("\u200b"),
    ];
    for (const spelling of spellings) expect(isAccountKey(spelling), JSON.stringify(spelling)).toBe(true);
  });

  it.each([
    "user_id",
    "userId",
    "USER-ID",
    "UserID",
    "userIDs_of".replace("s_of", ""),
    "user name",
    "first_name",
    "firstName",
    "FIRST_NAME",
    "last-name",
    "sur.name",
    "e_mail",
    "e-Mail",
    "eMail",
    "E-MAIL-ADDRESS",
    "eMAILaddress",
    "pass_word",
    "passWord",
    "pass_wd",
    "birth_date",
    "birthDay",
    "d_o_b",
    "S.S.N",
    "nick name",
    "log_in",
    "accessToken",
    "wifiPassWord2",
  ])("finds the account in %s", (key) => expect(isAccountKey(key)).toBe(true));

  it.each([
    "adobe",
    "tokenize",
    "headphones",
    "telephone",
    "microphone",
    "secretary",
    "accounting",
    "emailed",
    "pass",
    "word",
    "user",
    "name",
    "id",
    "",
    "_",
    "0",
    "\u{1f600}",
  ])("finds none in %j", (key) => expect(isAccountKey(key)).toBe(false));

  it("finds a word among any others that stand apart from it", () => {
    const beside = fc.constantFrom("", "a", "x9", "state", "Kitchen", "LED");
    const between = fc.constantFrom("_", "-", ".", " ", "/", ":", "0");
    fc.assert(
      fc.property(
        beside,
        between,
        fc.constantFrom(...ACCOUNT_WORDS),
        between,
        beside,
        (left, one, word, two, right) => {
          expect(isAccountKey(`${left}${one}${word}${two}${right}`)).toBe(true);
        },
      ),
    );
  });
});

describe("kindOfKey", () => {
  it.each(PERSONAL_WORDS.filter((word) => !/\d/.test(word)))("finds %s", (word) => {
    for (const key of [word, word.toUpperCase(), `my_${word}`, `home${capital(word)}`, fullWidth(word)])
      expect(kindOfKey(key), key).toBe("personal");
  });

  it.each(["ipv4", "ipv6", "ip_v4", "IPv6Address", "gps_lat", "ownerName"])(
    "finds a person, place or address in %s",
    (key) => expect(kindOfKey(key)).toBe("personal"),
  );

  it("finds neither kind in the names of the table", () => {
    for (const { name } of TABLE) expect([name, kindOfKey(name)]).toEqual([name, undefined]);
  });
});
