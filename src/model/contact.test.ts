import { describe, expect, test } from "vitest";
import { contact, contactFaults, contactLine, contactOf } from "./contact.ts";

const NONE = { name: "", email: "", url: "", address: "" };
const OFFICE = { name: "Data protection office", email: "privacy@example.com" };

describe("a contact", () => {
  test.each([
    [OFFICE],
    [{ name: "Desk", url: "https://example.com/privacy" }],
    [{ ...OFFICE, url: "https://example.com", address: "12 Residency Road, Bengaluru" }],
  ])("%j is one", (given) => {
    expect(contact.parse(given)).toEqual(given);
  });

  test.each([
    [{ name: "Desk" }],
    [{ name: "Desk", address: "12 Residency Road" }],
    [{ email: "privacy@example.com" }],
    [{ ...OFFICE, name: "Desk\u2028second line" }],
    [{ ...OFFICE, email: "privacy" }],
    [{ ...OFFICE, email: "privacy@example.com?bcc=x@example.com" }],
    [{ ...OFFICE, url: "http://example.com" }],
    [{ ...OFFICE, url: "javascript:alert(1)" }],
    [{ ...OFFICE, url: "https://user:password@example.com" }],
    [{ ...OFFICE, phone: "1" }],
  ])("%j is none", (given) => {
    expect(contact.safeParse(given).success).toBe(false);
  });

  test("of options is all of it or nothing, and what is wrong is named", () => {
    expect([contactOf(NONE), contactFaults(NONE)]).toEqual([undefined, []]);
    expect([contactOf({ ...NONE, ...OFFICE }), contactFaults({ ...NONE, ...OFFICE })]).toEqual([OFFICE, []]);
    expect(contactFaults({ ...NONE, name: "Desk" })).toEqual(["email"]);
    expect(contactFaults({ ...NONE, email: "privacy" })).toEqual(expect.arrayContaining(["name", "email"]));
    expect(contactOf({ ...NONE, email: "privacy@example.com" })).toBeUndefined();
  });

  test("is said in one line", () => {
    expect(contactLine({ ...OFFICE, address: "Bengaluru" })).toBe(
      "Data protection office, privacy@example.com, Bengaluru",
    );
  });
});
