/** Promise: whatever an erasure was doing while a backup was taken, after a restore it is carried to its end. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { Backup } from "../../src/rights/backup/backup.ts";
import { ErasureRecords } from "../../src/rights/erasure/record.ts";
import { eachOnItsOwn, type Installation } from "../integration/backup-fixture.ts";

let here: Installation;
eachOnItsOwn((one) => {
  here = one;
});

/** Redis; after the subjects are read for a backup, and before the lists of erasures are, `meanwhile` happens once. */
function interrupted(meanwhile: () => Promise<void>): Redis {
  let done = false;
  return Object.create(here.redis, {
    type: {
      value: async (name: string) => {
        if (!done) await meanwhile();
        done = true;
        return here.redis.type(name);
      },
    },
  }) as Redis;
}

test.each([true, false])(
  "one that ends while the backup is taken is taken again (its key destroyed: %s)",
  async (destroyed) => {
    const home = await here.home("a");
    const records = new ErasureRecords(here.redis, here.keyspace);
    const id = randomUUID();
    await records.register(id, home.tag);
    await here.erasure.begin(home.tag, { id, by: "subject", method: "api" });
    await here.journal.record({ what: "erasure-asked", tag: home.tag, erasure: id });
    const redis = interrupted(async () => {
      if (destroyed) {
        await here.journal.record({ what: "erased", tag: home.tag, erasure: id });
        await here.erasure.destroyKey(home.tag, id);
      }
      const record = await records.read(id);
      if (record === undefined) throw new Error("no record");
      await records.set(record, { receipt: "{}", completedAt: 5 });
      await records.close(record);
    });
    const backup = new Backup(redis, here.keyspace, here.prefix);
    const made = await backup.take(join(here.dir, "backups"), here.keys, here.journal.head);
    expect(await records.open()).toEqual([]);

    await here.lose();
    await here.restorer().run(here.input(made));
    // The gateway gives a turn to each of these when it starts.
    expect(await records.open()).toEqual([id]);
    expect(await records.read(id)).toMatchObject({ id, tag: home.tag, step: "drain" });
  },
);
