/** One private Redis for a test file, a fresh key prefix for each test, and the consent parts on top of it. */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from "vitest";
import { Credentials } from "../../src/consent/credentials.ts";
import { ConsentGate } from "../../src/consent/decision/gate.ts";
import { DeviceConnections } from "../../src/consent/device-connections.ts";
import { Leases } from "../../src/consent/fence/leases.ts";
import { Hubs } from "../../src/consent/hubs.ts";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import { Policies } from "../../src/consent/policy/policies.ts";
import type { GiveInput } from "../../src/model/consent-change.ts";
import type { DeviceId, DeviceKey, SubjectId, SubjectTag } from "../../src/model/ids.ts";
import { Lookup } from "../../src/platform/keys/lookup.ts";
import { type Keyspace, keyspaceOf } from "../../src/platform/keyspace.ts";
import type { PrivateServer } from "../../tools/private-servers/services.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { connectPatiently } from "../fixtures/patient-redis.ts";
import { startUnsyncedRedis } from "../fixtures/unsynced-redis.ts";

export const shippedPolicy = await readFile(new URL("../../config/policies/1.json", import.meta.url));
export const lookup = new Lookup(Buffer.alloc(32, 3));
export const device = (id: string): DeviceKey => lookup.deviceKey(id as DeviceId);
export const subject = (id: string): SubjectTag => lookup.subjectTag(id as SubjectId);

export const CONSENT: GiveInput = {
  policyVersion: 1,
  purposes: { analytics: ["model", "location", "status"], weather: ["location"], scene: ["status"], network: ["ip"] },
  method: "app",
  by: "subject",
  language: "en",
  jurisdiction: ["IN"],
};

/** Whether any file of the server holds the text. */
export async function onDisk(redis: Redis, text: string): Promise<boolean> {
  const dir = (await redis.config("GET", "dir")) as string[];
  const files = await readdir(dir[1] ?? "", { recursive: true, withFileTypes: true });
  for (const file of files) {
    if (file.isFile() && (await readFile(join(file.parentPath, file.name))).includes(text)) return true;
  }
  return false;
}

export interface Store {
  readonly redis: Redis;
  readonly keyspace: Keyspace;
  readonly ledger: Ledger;
  readonly gate: ConsentGate;
  readonly credentials: Credentials;
  readonly hubs: Hubs;
  readonly deviceConnections: DeviceConnections;
  readonly leases: Leases;
  readonly policies: Policies;
  /** Another gateway on the same Redis. */
  another(): Promise<Store>;
}

/** Starts Redis for the file; `store()` is the one of the running test, policy 1 published. */
export function consentStore(options: { leaseMs: number } = { leaseMs: 2_000 }): {
  store(): Store;
  server(): PrivateServer;
} {
  let dir: string;
  let server: PrivateServer | undefined;
  let store: Store | undefined;
  const opened: Redis[] = [];

  async function open(keyspace: Keyspace): Promise<Store> {
    const redis = connectPatiently(proven(server).url, "store");
    opened.push(redis);
    await redis.connect();
    const credentials = new Credentials(redis, keyspace, Buffer.alloc(32, 9), async () => undefined);
    const hubs = new Hubs(redis, keyspace, { ended: NO_JOURNAL.tokenEnded, holder: credentials.holder });
    return {
      redis,
      keyspace,
      ledger: new Ledger(redis, keyspace, {
        journal: NO_JOURNAL,
        createSubjectKey: () => randomBytes(60).toString("base64url"),
        now: Date.now,
        controller: "vendor",
        expiryDays: 365,
      }),
      gate: new ConsentGate(redis, keyspace),
      credentials,
      hubs,
      deviceConnections: new DeviceConnections(redis, keyspace, hubs),
      leases: new Leases(redis, keyspace, options),
      policies: new Policies(redis, keyspace),
      another: () => open(keyspace),
    };
  }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "consent-"));
    server = await startUnsyncedRedis(dir);
  });
  beforeEach(async () => {
    store = await open(keyspaceOf(`t-${randomUUID().slice(0, 8)}`));
    await store.policies.ensureShipped(shippedPolicy);
  });
  afterEach(() => {
    for (const redis of opened.splice(0)) redis.disconnect();
  });
  afterAll(async () => {
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });
  return { store: () => proven(store), server: () => proven(server) };
}

/** Resolves after a drain in progress has looked at the leases a few times more. */
export async function severalLooks(redis: Redis): Promise<void> {
  const looks = async () => {
    const stats = await redis.info("commandstats");
    return Number(/cmdstat_zrangebyscore:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };
  const before = await looks();
  await vi.waitFor(async () => expect(await looks()).toBeGreaterThan(before + 3), { interval: 5, timeout: 60_000 });
}

/** Every key and value, whatever its type, as one text. */
export async function everythingIn(redis: Redis): Promise<string> {
  const texts: string[] = [];
  for (const key of await redis.keys("*")) {
    const type = await redis.type(key);
    // Gone since it was listed.
    if (type === "none") continue;
    const value =
      type === "string"
        ? await redis.get(key)
        : type === "hash"
          ? await redis.hgetall(key)
          : type === "list"
            ? await redis.lrange(key, 0, -1)
            : type === "set"
              ? await redis.smembers(key)
              : type === "stream"
                ? await redis.xrange(key, "-", "+")
                : await redis.zrange(key, "0", "-1");
    texts.push(key, JSON.stringify(value));
  }
  return texts.join("\n");
}

function proven<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("used before the test began");
  return value;
}
