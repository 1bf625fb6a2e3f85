import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeviceId } from "../../model/ids.ts";
import type { Unread } from "../../model/raw.ts";
import { Vocabulary } from "../../vocabulary/vocabulary.ts";
import { carriesOwnId, ownIdOf } from "./own-id.ts";

const VOCABULARY = new Vocabulary();

function carries(id: string, telemetry: Unread): boolean {
  const own = ownIdOf(id as DeviceId);
  return own !== undefined && carriesOwnId(own, telemetry, VOCABULARY);
}
const value = (text: string | number) => ({ status: { note: text } });
const BULB = "bulb-Kitchen-77";

describe("carriesOwnId", () => {
  it.each([
    "bulb-Kitchen-77",
    "BULB-KITCHEN-77",
    "x bulb-kitchen-77 y",
    "bulbkitchen77",
    "bulb_kitchen.77",
    "b u l b k i t c h e n 7 7",
    "ｂｕｌｂ－ｋｉｔｃｈｅｎ－７７",
    "bulb\u200b-\u00adkitchen\u201077",
    "bulb-kıtchen-77".replace("ı", "i\u0301"),
    "bulb\\u002dkitchen\\u002d77",
    "\\x62ulb%2Dkitchen%2d77",
    "%2562ulb-kitchen-77",
    "&#98;ulb&#x2d;kitchen-77",
    "bulb-\u212Aitchen-77",
  ])("finds it in the text %s", (text) => {
    expect(carries(BULB, value(text))).toBe(true);
    expect(carries(BULB, { model: text })).toBe(true);
  });

  it.each([
    [{ bulb_kitchen_77: true }],
    [{ x_bulbkitchen77: 1 }],
    [{ power: "on", bulbkitchen77_on: "x" }],
    [{ bulb_kitchen: 77 }],
    [{ bulb_kitchen: "77" }],
    [{ bulb: "Kitchen 77" }],
    [{ bulb_kitchen_7: 7.5 }],
  ])("finds it in %j", (status) => expect(carries(BULB, { status })).toBe(true));

  it.each([
    [{ bulb_kitchen: 7 }],
    [{ bulb_kitchen: 177 }],
    [{ kitchen: "bulb 77" }],
    [{ power: "on", battery: 87, temperature: 21.5, seventy: 77 }],
    [{ note: "bulb-kitchen-76" }],
    [{ note: "100% \\ &" }],
    [{ note: "\\u{ffffff}" }],
  ])("finds none in %j", (status) => expect(carries(BULB, { status })).toBe(false));

  it("finds an id of digits alone as a number, but not as a part of one", () => {
    for (const id of ["490154203237518", "000490154203237518", "49-015420-323751-8"]) {
      for (const number of [490154203237518, -490154203237518, 49015420323751.8])
        expect(carries(id, value(number)), `${id} ${number}`).toBe(true);
      expect(carries(id, value(4901542032375180))).toBe(false);
    }
    expect(carries("490154203237518", value("SN-490154203237518/2"))).toBe(true);
    expect(carries("123456", value(0.123456))).toBe(true);
    expect(carries("123456", value(1_234_567))).toBe(false);
  });

  it("finds an id that is short without its separators only as it is", () => {
    expect(carries("a-b-c-d", value("A-B-C-D"))).toBe(true);
    expect(carries("a_b_c_1", { status: { a_b_c_1: 1 } })).toBe(true);
    expect(carries("a_b_c_1", { status: { a_b_c_: 1 } })).toBe(true);
    expect(carries("a-b-c-d", value("abcd"))).toBe(false);
    expect(carries("bulb1", value("bulb1"))).toBe(false);
  });

  it("finds it whatever stands around it and whatever separates it", () => {
    const id = fc.stringMatching(/^[A-Za-z0-9_.:-]{0,20}[A-Za-z0-9]{6}[A-Za-z0-9_.:-]{0,20}$/);
    const gap = fc.stringMatching(/^[ _.:/#-]{0,2}$/);
    fc.assert(
      fc.property(id, fc.array(gap, { minLength: 50, maxLength: 50 }), fc.boolean(), (name, gaps, upper) => {
        const spaced = [...name].map((letter, at) => letter + (gaps[at] ?? "")).join("");
        expect(carries(name, value(`<${upper ? spaced.toUpperCase() : spaced}>`))).toBe(true);
      }),
    );
  });
});
