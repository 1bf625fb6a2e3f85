/** A link is good for its time alone, and a link is no session. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { SubjectTag } from "../../model/ids.ts";
import { Seal } from "../../platform/seal.ts";
import { beginSession, type Holder, type LinkClaims, openLink, openSession, sealLink } from "./claims.ts";

const key = randomBytes(32);
const links = new Seal(key, "link");
const sessions = new Seal(key, "session");
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
  const session = sessions.seal(beginSession(opened(link, 0), 0, 1_000));
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
  const session = sessions.seal(beginSession(opened(link, 500), 500, 60_000));
  expect(openSession(sessions, session, 60_499)).toMatchObject({ ...who, iat: 500, exp: 60_500 });
  expect(openSession(sessions, session, 60_500)).toBeUndefined();
  expect(openSession(sessions, link ?? "", 0)).toBeUndefined();
  expect(openSession(sessions, `${session.slice(0, -1)}${session.endsWith("A") ? "B" : "A"}`, 0)).toBeUndefined();
});

test("more names than a cookie can carry make no link", () => {
  const labels = (count: number, label: string) =>
    Array.from({ length: count }, (_, index): [number, string] => [index + 1, label]);
  expect(sealLink(links, { ...who, labels: labels(64, "Lamp in the kitchen") }, 1)).toBeDefined();
  expect(sealLink(links, { ...who, labels: labels(64, "灯".repeat(64)) }, 1)).toBeUndefined();
});
