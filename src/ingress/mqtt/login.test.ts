/** What failed logins leave behind. */
import type { Client } from "aedes";
import { expect, it } from "vitest";
import type { AliasMac, DeviceKey } from "../../model/ids.ts";
import { Rates } from "../../platform/rate.ts";
import { Access } from "./login.ts";

it("an address beyond its limit adds no more names to the table of failures", async () => {
  const rates = (burst: number) => new Rates({ perSecond: 0.001, burst, remembered: 1_000 });
  const names = new Set<string>();
  class Noted extends Rates {
    override bucket(key: string, nowMs: number) {
      names.add(key);
      return super.bucket(key, nowMs);
    }
  }
  const access = new Access(
    { has: () => false, login: () => undefined },
    {
      publishes: rates(1),
      subscriptions: rates(1),
      failures: new Noted({ perSecond: 0.001, burst: 10, remembered: 1_000 }),
      failuresOfAddress: rates(3),
    },
    {
      deviceKey: (id) => `key-${id}` as DeviceKey,
      verify: async () => undefined,
      children: async () => [],
      heard: () => ({ at: 0 }),
      aliasMac: (_, alias) => alias as AliasMac,
      dialect: () => {
        throw new Error("none");
      },
    },
  );
  const answers = [];
  for (let n = 0; n < 5; n += 1) {
    const login = { clientId: `hub-${n}`, username: `hub-${n}`, password: "wrong", will: undefined };
    answers.push(await access.login({ ...login, client: {} as Client, remoteAddress: "192.0.2.1" }));
  }
  expect(answers).toEqual([...Array(3).fill("bad-credentials"), ...Array(2).fill("too-many-failures")]);
  expect(names.size).toBe(3);
});
