/** Which named tokens are good at each moment; a gateway that can't read accepts none after a bounded time. */
import type { Redis } from "ioredis";
import { expect, test, vi } from "vitest";
import { TOKENS_KNOWN_FOR_MS } from "../model/named-token.ts";
import { keyspaceOf } from "../platform/keyspace.ts";
import { TokenDirectory } from "./directory.ts";
import { type TokenEntry, TokenText } from "./token-text.ts";

const KEY = Buffer.alloc(32, 1);
const text = new TokenText(KEY);
const [FIRST, SECOND] = [text.newToken(), text.newToken()];

function entry(name: string, ...issued: [token: string, endsAt?: number][]): TokenEntry {
  const each = issued.map(([token, endsAt], at) => ({
    number: at + 1,
    issuedAt: 1,
    ...(endsAt !== undefined && { endsAt }),
    digest: text.digest(token),
  }));
  return { name, scopes: ["read", "export"], issued: each, last: issued.length };
}

const use = (token: string) => ({ name: "billing", digest: text.digest(token) });

function setUp() {
  const stored: Record<string, string> = {};
  const self = { changes: 0, away: false, now: 1_000, elapsed: 0, reads: 0, looks: 0, delayMs: 0, hangs: false };
  const logged: string[] = [];
  const read = async <T>(value: () => T): Promise<T> => {
    if (self.away) throw new Error("Connection is closed");
    if (self.hangs) return new Promise<never>(() => undefined);
    self.elapsed += self.delayMs;
    return value();
  };
  const redis = {
    get: () => read(() => String(self.changes)),
    hgetall: () =>
      read(() => {
        self.reads += 1;
        return { ...stored };
      }),
  } as unknown as Redis;
  const log = { info: () => undefined, warn: () => undefined, error: (event: string) => void logged.push(event) };
  const clocks = { now: () => self.now, elapsed: () => self.elapsed };
  const directory = new TokenDirectory(redis, keyspaceOf("test"), KEY, { log, ...clocks });
  directory.onLook(() => {
    self.looks += 1;
  });
  const put = (one: TokenEntry) => {
    stored[one.name] = text.write(one);
    self.changes += 1;
  };
  return { self, stored, directory, put, logged };
}

test("finds both tokens of a name, with the scopes of the name, and nothing else", async () => {
  const { directory, put } = setUp();
  put(entry("billing", [FIRST], [SECOND]));
  await directory.refresh();
  expect(directory.find(FIRST)).toMatchObject({ name: "billing", scopes: new Set(["read", "export"]) });
  expect(directory.find(SECOND)?.name).toBe("billing");
  for (const wrong of ["", "billing", FIRST.slice(1), text.newToken()]) expect(directory.find(wrong)).toBeUndefined();
  expect([FIRST, SECOND, text.newToken()].map((token) => directory.stands(use(token)))).toEqual([true, true, false]);
});

test("one whose time has come is none, and one that was taken away neither", async () => {
  const { self, stored, directory, put } = setUp();
  put(entry("billing", [FIRST, 2_000], [SECOND]));
  await directory.refresh();
  self.now = 1_999;
  expect(directory.find(FIRST)).toBeDefined();
  self.now = 2_000;
  expect(directory.find(FIRST)).toBeUndefined();
  expect(directory.stands(use(FIRST))).toBe(false);
  delete stored.billing;
  self.changes += 1;
  await directory.refresh();
  expect(directory.find(SECOND)).toBeUndefined();
});

test("what was asked with a token does not stand with a later one of the same name and number", async () => {
  const { stored, self, directory, put } = setUp();
  put(entry("billing", [FIRST]));
  await directory.refresh();
  const asked = directory.find(FIRST);
  if (asked === undefined) throw new Error("not found");
  expect(directory.stands(asked)).toBe(true);
  delete stored.billing;
  self.changes += 1;
  put(entry("billing", [SECOND]));
  await directory.refresh();
  expect(directory.find(SECOND)?.name).toBe("billing");
  expect(directory.stands(asked)).toBe(false);
});

test("reads the entries again only when their number of changes is another", async () => {
  const { self, directory, put } = setUp();
  put(entry("billing", [FIRST]));
  for (let times = 0; times < 3; times += 1) await directory.refresh();
  expect([self.reads, self.looks]).toEqual([1, 3]);
});

test("accepts no named token when it could not read for too long, and says so of a good one alone", async () => {
  const { self, directory, put } = setUp();
  put(entry("billing", [FIRST]));
  await directory.refresh();
  self.away = true;
  self.elapsed = TOKENS_KNOWN_FOR_MS;
  await expect(directory.refresh()).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
  expect(directory.find(FIRST)).toBeDefined();
  self.elapsed += 1;
  expect(() => directory.find(FIRST)).toThrow("REDIS_UNAVAILABLE");
  expect(() => directory.stands(use(FIRST))).toThrow("REDIS_UNAVAILABLE");
  expect(directory.find(text.newToken())).toBeUndefined();
  // Who waits for an answer is looked at in this case as well.
  expect(self.looks).toBe(2);
  self.away = false;
  await directory.refresh();
  expect(directory.find(FIRST)).toBeDefined();
});

test("says of none that it is wrong before it has read which there are", async () => {
  const { self, directory, put } = setUp();
  put(entry("billing", [FIRST]));
  self.away = true;
  await expect(directory.refresh()).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
  for (const token of [FIRST, SECOND]) expect(() => directory.find(token)).toThrow("REDIS_UNAVAILABLE");
  self.away = false;
  await directory.refresh();
  expect([directory.find(FIRST)?.name, directory.find(SECOND)]).toEqual(["billing", undefined]);
});

test("has those looked at who wait for an answer when the time is over, also while a reading hangs", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const { self, directory, put } = setUp();
    put(entry("billing", [FIRST]));
    await directory.refresh();
    self.hangs = true;
    self.elapsed = 1;
    void directory.refresh();
    let stood: boolean | string = "not asked";
    directory.onLook(() => {
      try {
        stood = directory.stands(use(FIRST));
      } catch (error) {
        stood = (error as Error).message;
      }
    });
    self.elapsed = TOKENS_KNOWN_FOR_MS + 1;
    await vi.advanceTimersByTimeAsync(TOKENS_KNOWN_FOR_MS + 1);
    expect(stood).toContain("REDIS_UNAVAILABLE");
  } finally {
    vi.useRealTimers();
  }
});

test("counts the time from when a reading began, not from when its answer came", async () => {
  const { self, directory, put } = setUp();
  put(entry("billing", [FIRST]));
  self.delayMs = TOKENS_KNOWN_FOR_MS;
  await directory.refresh();
  expect(() => directory.find(FIRST)).toThrow("REDIS_UNAVAILABLE");
});

test("an entry that does not verify opens nothing, and is said once; the others stay", async () => {
  const { self, stored, directory, put, logged } = setUp();
  put(entry("billing", [FIRST]));
  put(entry("support", [SECOND]));
  stored.support = stored.support?.replace('"read"', '"erase"') ?? "";
  await directory.refresh();
  self.changes += 1;
  await directory.refresh();
  expect([directory.find(FIRST) !== undefined, directory.find(SECOND)]).toEqual([true, undefined]);
  expect(logged).toHaveLength(1);
});
