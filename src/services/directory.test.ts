/** Services of the file and of the registry, as they are at each moment; an entry that does not verify counts for nothing. */
import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { GatewayError } from "../model/errors.ts";
import type { LogFields } from "../model/log.ts";
import { keyspaceOf } from "../platform/keyspace.ts";
import { type FileService, ServiceDirectory } from "./directory.ts";
import { EntryText, type RegistryEntry } from "./entry-text.ts";

const KEY = Buffer.alloc(32, 1);
const text = new EntryText(KEY);
const FILE_TOKEN = "token-of-the-configuration-file-0001";
const TOKEN = text.newToken();
const BOUNDS = { maxConnections: 2, publishesPerSecond: 1 };
const OF_FILE: FileService = {
  name: "fixed",
  purposes: ["weather"],
  region: "IN",
  relation: "third-party",
  recipient: "weather services",
  token: FILE_TOKEN,
  ...BOUNDS,
};

function entry(name: string, revision: number, more: Partial<RegistryEntry> = {}): RegistryEntry {
  return {
    name,
    purposes: ["scene"],
    former: [],
    region: "IN",
    relation: "third-party",
    recipient: "scene services",
    ...BOUNDS,
    tokens: [{ number: 1, issuedAt: 1, mac: text.tokenMac(name, TOKEN) }],
    lastToken: 1,
    revision,
    ...more,
  };
}

function setUp() {
  const stored: Record<string, string> = {};
  const self = { changes: 0, away: false, looked: 0 };
  const logged: [string, LogFields | undefined][] = [];
  const counted: Record<string, number> = {};
  let changed = 0;
  const read = async <T>(value: () => T): Promise<T> => {
    if (self.away) throw new Error("Connection is closed");
    return value();
  };
  const redis = {
    get: () => read(() => String(self.changes)),
    hgetall: () =>
      read(() => {
        self.looked += 1;
        return { ...stored };
      }),
  } as unknown as Redis;
  const directory = new ServiceDirectory(
    redis,
    keyspaceOf("t"),
    { tokenKey: KEY, file: [OF_FILE] },
    {
      changed: () => {
        changed += 1;
      },
      counted: (origin, count) => void Object.assign(counted, { [origin]: count }),
      log: { info: () => {}, warn: () => {}, error: (event, fields) => void logged.push([event, fields]) },
    },
  );
  const put = (...entries: RegistryEntry[]): void => {
    for (const one of entries) stored[one.name] = text.write(one);
    self.changes += 1;
  };
  const names = () => directory.all().map(({ name }) => name);
  return Object.assign(self, { directory, stored, put, names, logged, counted, told: () => changed });
}

test("those of the file are there from the beginning, those of the registry once they were read", async () => {
  const { directory, put, names, counted } = setUp();
  put(entry("scenes", 1), entry("nets", 1, { purposes: ["network"], former: ["scene"] }));
  expect(names()).toEqual(["fixed"]);
  await directory.refresh();
  expect(names()).toEqual(["fixed", "scenes", "nets"]);
  expect(counted).toEqual({ file: 1, registry: 2 });
  expect([directory.toldOf("scene"), directory.toldOf("network"), directory.toldOf("weather")]).toEqual([
    ["scenes", "nets"],
    ["nets"],
    ["fixed"],
  ]);
});

test("a name that the file has is the file's, whatever the registry says of it", async () => {
  const { directory, put } = setUp();
  put(entry("fixed", 9));
  await directory.refresh();
  expect(directory.get("fixed")).toMatchObject({ origin: "file", purposes: ["weather"] });
  expect(directory.login("fixed", TOKEN)).toBeUndefined();
  expect(directory.login("fixed", FILE_TOKEN)?.token).toBe(0);
});

test("who is logged in sees each change on the object it logged in with", async () => {
  const { directory, put } = setUp();
  put(entry("scenes", 1));
  await directory.refresh();
  const login = directory.login("scenes", TOKEN);
  expect([login?.token, [...(login?.service.purposes ?? [])]]).toEqual([1, ["scene"]]);
  put(entry("scenes", 2, { purposes: ["network"], former: ["scene"] }));
  await directory.refresh();
  expect([[...(login?.service.purposes ?? [])], [...(login?.service.told ?? [])]]).toEqual([
    ["network"],
    ["network", "scene"],
  ]);
  put(entry("scenes", 3, { tokens: [], ended: 5 }));
  await directory.refresh();
  expect([login?.service.purposes.size, login?.service.told.size, login?.service.tokens.size]).toEqual([0, 0, 0]);
  expect([directory.get("scenes"), directory.login("scenes", TOKEN)]).toEqual([undefined, undefined]);
});

test("reads all again only when something changed, and says so to those who must look", async () => {
  const test = setUp();
  test.put(entry("scenes", 1));
  for (let turn = 0; turn < 3; turn += 1) await test.directory.refresh();
  expect([test.looked, test.told()]).toEqual([1, 1]);
  test.changes += 1;
  await test.directory.refresh();
  expect([test.looked, test.told()]).toEqual([2, 2]);
});

test("what this gateway wrote is not undone by a read that began before", async () => {
  const { directory, put, stored } = setUp();
  put(entry("scenes", 1));
  await directory.refresh();
  directory.learn(entry("scenes", 7, { tokens: [], ended: 5 }));
  stored.scenes = text.write(entry("scenes", 1));
  put();
  await directory.refresh();
  expect(directory.get("scenes")).toBeUndefined();
});

test("an entry that was altered counts for nothing, is said once, and the others stay", async () => {
  const { directory, put, stored, names, logged } = setUp();
  put(entry("scenes", 1), entry("nets", 1));
  await directory.refresh();
  stored.scenes = stored.scenes?.replace('"scene"', '"network"') ?? "";
  for (let turn = 0; turn < 2; turn += 1) {
    put();
    await directory.refresh();
  }
  expect(names()).toEqual(["fixed", "nets"]);
  expect(logged).toEqual([[expect.any(String), { code: "SERVICE_UNREADABLE" }]]);
});

test("while Redis is away what was known stays", async () => {
  const test = setUp();
  test.put(entry("scenes", 1));
  await test.directory.refresh();
  test.away = true;
  await expect(test.directory.refresh()).rejects.toThrow(GatewayError);
  expect(test.names()).toEqual(["fixed", "scenes"]);
  test.away = false;
  test.put(entry("scenes", 2, { tokens: [], ended: 1 }));
  await test.directory.refresh();
  expect(test.names()).toEqual(["fixed"]);
});

test("a service publishes no faster than it may, on all of its connections together, also after a change of something else", async () => {
  const { directory, put } = setUp();
  put(entry("scenes", 1));
  await directory.refresh();
  const [one, other] = [directory.login("scenes", TOKEN)?.service, directory.login("scenes", TOKEN)?.service];
  expect([one, other, one].map((service) => service?.mayPublish(0))).toEqual([true, true, false]);
  put(entry("scenes", 2, { categories: ["status"] }));
  await directory.refresh();
  expect(one?.mayPublish(0)).toBe(false);
  put(entry("scenes", 3, { publishesPerSecond: 5 }));
  await directory.refresh();
  expect(one?.mayPublish(0)).toBe(true);
});
