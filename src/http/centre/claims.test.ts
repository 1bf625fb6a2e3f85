/** A link is good for its time alone, and a link is no session. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { SubjectTag } from "../../model/ids.ts";
import { Seal } from "../../platform/keys/seal.ts";
import { beginSession, type Holder, type LinkClaims, openLink, openSession, prolonged, sealLink } from "./claims.ts";

const key = randomBytes(32);
const links = new Seal(key, "link");
const sessions = new Seal(key, "session");
const TERM = { lastsMs: 1_000, mostMs: 3_000 };
const who: Holder = {
  tag: "Zk3vT9qLm2Xc7bNfR1wYsA" as SubjectTag,
  by: "guardian",
  verification: { method: "id-check", evidenceRef: "guardian:1" },
  jurisdiction: ["IN"],
  labels: [[1, "Hallway hub"]],
};

function opened(token: string | undefined, now: number): LinkClaims {
  const link = openLink(links, token ?? "", now);
  if ("refused" in link) throw new Error(link.refused);
  return link;
}

test("a link opens until its end, and says whom it is for", () => {
  const link = sealLink(links, who, 1_000);
  expect(opened(link?.token, 999)).toMatchObject(who);
  expect(openLink(links, link?.token ?? "", 1_000)).toEqual({ refused: "link-expired" });
});

test("whatever is no link is refused", () => {
  const link = sealLink(links, who, 1_000)?.token ?? "";
  const session = sessions.seal(beginSession(opened(link, 0), 0, TERM));
  for (const token of ["", "x", "1.", session, link.slice(0, -1), links.seal({ tag: who.tag }), links.seal(null)]) {
    expect(openLink(links, token, 0)).toEqual({ refused: "link-invalid" });
  }
});

test("two links of the same person are two", () => {
  const [one, two] = [sealLink(links, who, 1_000), sealLink(links, who, 1_000)];
  expect(opened(one?.token, 0).nonce).not.toBe(opened(two?.token, 0).nonce);
});

test("a session opens until its end, and a link is none", () => {
  const link = sealLink(links, who, 1_000)?.token;
  const session = sessions.seal(beginSession(opened(link, 500), 500, { lastsMs: 60_000, mostMs: 180_000 }));
  expect(openSession(sessions, session, 60_499)).toMatchObject({ ...who, iat: 500, exp: 60_500 });
  expect(openSession(sessions, session, 60_500)).toBeUndefined();
  expect(openSession(sessions, link ?? "", 0)).toBeUndefined();
  expect(openSession(sessions, `${session.slice(0, -1)}${session.endsWith("A") ? "B" : "A"}`, 0)).toBeUndefined();
});

test("a session is put off by its length from now on, never beyond its bound, and never brought forward", () => {
  const session = beginSession(opened(sealLink(links, who, 1_000)?.token, 0), 0, TERM);
  expect(session).toMatchObject({ exp: 1_000, most: 3_000 });
  expect(prolonged(session, 900, 1_000)).toEqual({ ...session, exp: 1_900 });
  expect(prolonged(session, 2_500, 1_000).exp).toBe(3_000);
  expect(prolonged(session, 2_900, 1_000_000).exp).toBe(3_000);
  expect(prolonged(session, 100, 10).exp).toBe(1_000);
});

test("a bound below the length of a session is the length, and nothing puts it off", () => {
  const session = beginSession(opened(sealLink(links, who, 1_000)?.token, 0), 0, { lastsMs: 1_000, mostMs: 60 });
  expect(session).toMatchObject({ exp: 60, most: 60 });
  expect(prolonged(session, 50, 1_000)).toEqual(session);
});

test("more names than a cookie can carry make no link", () => {
  const labels = (count: number, label: string) =>
    Array.from({ length: count }, (_, index): [number, string] => [index + 1, label]);
  expect(sealLink(links, { ...who, labels: labels(64, "Lamp in the kitchen") }, 1)).toBeDefined();
  expect(sealLink(links, { ...who, labels: labels(64, "灯".repeat(64)) }, 1)).toBeUndefined();
});
