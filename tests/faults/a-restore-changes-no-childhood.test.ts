import { expect, test } from "vitest";
import { adultDataRemains } from "../../src/consent/ledger/minors.ts";
import { eachOnItsOwn, type Installation } from "../integration/backup-fixture.ts";
import { CONSENT, device, subject } from "../integration/consent-fixture.ts";

const GUARDIAN = { verified: true, method: "id-check", evidenceRef: "case:1" } as const;
const OTHER = { verified: true, method: "id-check", evidenceRef: "case:2" } as const;
const SCENE = { ...CONSENT, purposes: { scene: ["status"] } } as const;
const OF_AGE = { ...CONSENT, by: "controller", evidenceRef: "case:9", minor: false } as const;

let here: Installation;
eachOnItsOwn((one) => {
  here = one;
});

async function restoredAfter(what: () => Promise<unknown>): Promise<void> {
  const made = await here.backup();
  await what();
  await here.lose();
  await here.restorer().run(here.input(made));
}

const child = (tag: ReturnType<typeof subject>, guardian: typeof GUARDIAN | typeof OTHER = GUARDIAN) =>
  here.ledger.give(tag, { ...SCENE, by: "guardian", minor: true, guardian });

test("anyone who turned out to be a minor since the backup is one, has consented to nothing, and is purged", async () => {
  const [turns, stays] = [await here.home("turns"), await here.home("stays")];
  const given = await here.grants(stays);
  await restoredAfter(async () => {
    await child(turns.tag);
    await here.ledger.give(stays.tag, { ...CONSENT, minor: false });
  });
  const record = await here.ledger.record(turns.tag);
  expect(record).toMatchObject({ minor: true, guardian: { status: "verified", tokenRef: "case:1" } });
  expect(record?.events.at(-1)).toMatchObject({ type: "withdrawn", method: "restore", minor: true });
  expect(adultDataRemains(record?.events ?? [])).toBe(true);
  expect([await here.grants(turns), await here.grants(stays)]).toEqual(["consent-withdrawn", given]);
  // Stated again without a word about age, it is a child's consent.
  await here.ledger.give(turns.tag, CONSENT);
  expect(await here.grants(turns)).toBe("guardian-missing");
  expect((await here.ledger.give(turns.tag, { ...CONSENT, minor: false })).refused).toBe("still-a-minor");
});

test("a guardian who was replaced since the backup does not come back, and the present one may act", async () => {
  const home = await here.home("a");
  await child(home.tag);
  await restoredAfter(async () => {
    await here.ledger.give(home.tag, { ...SCENE, by: "guardian", minor: true, guardian: OTHER, guardianRef: "case:1" });
  });
  const by = (guardianRef: string) => here.ledger.give(home.tag, { ...SCENE, by: "guardian", guardianRef });
  expect((await by("case:1")).refused).toBe("guardian-mismatch");
  expect((await by("case:2")).refused).toBeUndefined();
  expect(typeof (await here.grants(home))).toBe("number");
});

test("anyone who came of age since the backup is of age, without a guardian", async () => {
  const home = await here.home("a");
  await child(home.tag);
  await restoredAfter(() => here.ledger.request(home.tag, OF_AGE));
  expect(await here.ledger.record(home.tag)).toMatchObject({ minor: false });
  expect((await here.ledger.record(home.tag))?.guardian).toBeUndefined();
  expect(await here.grants(home)).toBe("consent-withdrawn");
});

test("a child who has no guardian any more gets none back", async () => {
  const home = await here.home("a");
  await child(home.tag);
  await restoredAfter(async () => {
    await here.ledger.request(home.tag, OF_AGE);
    await here.ledger.request(home.tag, { ...CONSENT, minor: true });
  });
  expect(await here.ledger.record(home.tag)).toMatchObject({ minor: true });
  expect((await here.ledger.record(home.tag))?.guardian).toBeUndefined();
});

test("a child who became known after the backup is no adult when it is bound again", async () => {
  await here.home("a");
  await restoredAfter(async () => {
    const late = await here.home("late");
    await child(late.tag);
  });
  const [tag, lamp] = [subject("late"), device("late-lamp")];
  expect(await here.ledger.record(tag)).toMatchObject({ minor: true, guardian: { tokenRef: "case:1" } });
  await here.ledger.bind(tag, lamp);
  await here.ledger.give(tag, CONSENT);
  expect(await here.grants({ tag, device: lamp })).toBe("guardian-missing");
});

test("a journal that cannot be written keeps the answer back; asked again it is noted", async () => {
  const home = await here.home("a");
  const made = await here.backup();
  await here.journal.stop();
  await expect(child(home.tag)).rejects.toMatchObject({ code: "JOURNAL_UNWRITABLE" });
  await here.journal.start(async () => true);
  await child(home.tag);
  await here.lose();
  await here.restorer().run(here.input(made));
  expect(await here.ledger.record(home.tag)).toMatchObject({ minor: true });
});

test("nor does consent to less, the first answer to which was lost with the journal, become more again", async () => {
  const home = await here.home("a");
  const made = await here.backup();
  await here.journal.stop();
  await expect(here.ledger.give(home.tag, SCENE)).rejects.toMatchObject({ code: "JOURNAL_UNWRITABLE" });
  await here.journal.start(async () => true);
  expect(await here.ledger.give(home.tag, SCENE)).toMatchObject({ repeated: true });
  await here.lose();
  await here.restorer().run(here.input(made));
  expect(await here.grants(home)).toBe("consent-withdrawn");
});

test("nothing is restated of anyone whom the backup knows as they are", async () => {
  const [one, two] = [await here.home("one"), await here.home("two")];
  await child(one.tag);
  const before = await Promise.all([one, two].map(({ tag }) => here.ledger.record(tag)));
  await restoredAfter(async () => undefined);
  expect(await Promise.all([one, two].map(({ tag }) => here.ledger.record(tag)))).toEqual(before);
});
