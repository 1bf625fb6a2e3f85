/** Registered services in an archive: those that are as they were come back, those that got less since do not. Named tokens end. */
import { expect, test } from "vitest";
import { TokenRegistry } from "../../src/tokens/registry.ts";
import { entryOf, registryOn } from "../fixtures/services.ts";
import { eachOnItsOwn, type Installation } from "./backup-fixture.ts";

let here: Installation;
eachOnItsOwn((opened) => {
  here = opened;
});

const SCENES = entryOf(["scene"]);

function gateway() {
  return registryOn(here, {
    journal: (service, hash, revision) => here.journal.record({ what: "service-changed", service, hash, revision }),
  });
}

async function registered(name: string): Promise<string> {
  const { registry } = gateway();
  await registry.put(name, SCENES);
  const issued = await registry.issueToken(name);
  return issued.refused === undefined ? issued.token : "";
}

async function afterwards() {
  const { directory, registry } = gateway();
  await directory.refresh();
  return { directory, registry };
}

test("a service comes back with its terms and its token, byte for byte", async () => {
  const token = await registered("lights");
  const before = await here.value(here.keyspace.services);
  const made = await here.backup();
  await here.lose();
  expect((await here.restorer().run(here.input(made))).servicesDropped).toBe(0);
  expect(await here.value(here.keyspace.services)).toEqual(before);
  const { directory } = await afterwards();
  expect(directory.login("lights", token)?.token).toBe(1);
});

test("one that was narrowed, removed, or lost a token since does not come back as it was", async () => {
  const tokens = new Map<string, string>();
  for (const name of ["stays", "narrowed", "removed", "revoked"]) tokens.set(name, await registered(name));
  const made = await here.backup();
  const { registry } = gateway();
  await registry.put("narrowed", { ...SCENES, categories: ["status"] });
  await registry.remove("removed");
  await registry.revokeToken("revoked", 1);
  await here.lose();
  expect((await here.restorer().run(here.input(made))).servicesDropped).toBe(3);
  const { directory } = await afterwards();
  expect(directory.all().map(({ name }) => name)).toEqual(["stays"]);
  for (const [name, token] of tokens)
    expect(directory.login(name, token)?.token).toBe(name === "stays" ? 1 : undefined);
});

test("registered again after a restore it is the newer one for the next restore", async () => {
  await registered("lights");
  const made = await here.backup();
  await gateway().registry.revokeToken("lights", 1);
  await here.lose();
  expect((await here.restorer().run(here.input(made))).servicesDropped).toBe(1);
  await gateway().registry.put("lights", { ...SCENES, categories: ["status"] });
  const again = await here.backup();
  await here.lose();
  expect((await here.restorer().run(here.input(again))).servicesDropped).toBe(0);
  expect((await afterwards()).directory.get("lights")?.categories).toEqual(["status"]);
});

test("without a journal none comes back: what was taken from it since is not known", async () => {
  const token = await registered("lights");
  const made = await here.backup();
  await here.lose();
  const summary = await here.restorer().run(here.input(made, { journals: "lost", subjectKeys: undefined }));
  expect(summary.servicesDropped).toBe(1);
  const { directory, registry } = await afterwards();
  expect(directory.login("lights", token)).toBeUndefined();
  expect(await registry.put("lights", SCENES)).toMatchObject({ isNew: true });
});

test("an archive holds no token", async () => {
  const token = await registered("lights");
  expect(JSON.stringify(await here.everything())).not.toContain(token);
});

test("a named token is in no archive, and ends with any restore: one that was revoked could be good again", async () => {
  const registry = new TokenRegistry(here.redis, here.keyspace, Buffer.alloc(32, 17), Date.now);
  await registry.create("billing", ["read"]);
  const made = await here.backup();
  expect((await registry.list()).tokens).toHaveLength(1);
  await here.restorer().run(here.input(made, { replace: true }));
  expect(await registry.list()).toEqual({ tokens: [], unreadable: 0 });
});
