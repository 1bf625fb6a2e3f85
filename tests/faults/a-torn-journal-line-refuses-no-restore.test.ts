/**
 * Promise: a line of the erasure journal that a crash, a full disk or a second writer cut short refuses no restore and
 * hides nothing that was acknowledged; a line that was changed or taken out still does.
 */
import { randomBytes } from "node:crypto";
import { appendFile, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { SubjectTag } from "../../src/model/ids.ts";
import { journalKey } from "../../src/rights/journal/format.ts";
import { ErasureJournal } from "../../src/rights/journal/journal.ts";
import { readJournals } from "../../src/rights/journal/reading.ts";

const key = journalKey(randomBytes(32));
const tag = (letter: string) => letter.repeat(22) as SubjectTag;

let root: string;
let file: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "consentry-torn-"));
  file = join(root, "erasures.journal");
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function started(): Promise<ErasureJournal> {
  const journal = new ErasureJournal(file, key);
  await journal.start(async () => true);
  return journal;
}

const narrow = (journal: ErasureJournal, letter: string) =>
  journal.record({ what: "narrowed", tag: tag(letter), fence: 1 });
const read = () => readJournals([file], { key, sinceMs: 0, anchors: [] });
const told = async () => [...(await read()).narrowed.keys()].map((one) => one[0]).join("");
const lines = async () => (await readFile(file, "utf8")).trimEnd().split("\n");

/** A line of the gateway that names devices: it can be cut right behind a bracket. */
async function holdLine(): Promise<string> {
  const journal = await started();
  const devices = ["d".repeat(22), "e".repeat(22)] as never[];
  await journal.record({ what: "held", tag: tag("h"), hold: { ref: "court:1", until: 9, devices } });
  await journal.stop();
  return (await lines()).at(-1) ?? "";
}

describe("a line that was cut short", () => {
  test("anywhere, by a crash, is passed over, whatever its last character is", async () => {
    const line = await holdLine();
    const whole = await readFile(file, "utf8");
    const before = whole.slice(0, -line.length - 1);
    for (const end of [1, 20, line.indexOf('"]') + 2, line.lastIndexOf("}") + 1, line.length - 1]) {
      await writeFile(file, before + line.slice(0, end));
      expect((await read()).torn).toBe(1);
      const journal = await started();
      await narrow(journal, "n");
      await journal.stop();
      expect([await told(), (await read()).torn]).toEqual(["n", 1]);
    }
    // Whole but for its line end it stands, and so does what follows it.
    await writeFile(file, whole.trimEnd());
    const journal = await started();
    await narrow(journal, "n");
    await journal.stop();
    const { holds, narrowed, torn } = await read();
    expect([holds.size, narrowed.size, torn]).toEqual([1, 1, 0]);
  });

  test("again and again, by a disk that is full, is passed over as often as that", async () => {
    const line = await holdLine();
    for (const end of [30, 1, 45]) await appendFile(file, `${line.slice(0, end)}\n`);
    await appendFile(file, "\0".repeat(4_096));
    const journal = await started();
    await narrow(journal, "n");
    await journal.stop();
    expect([await told(), (await read()).torn]).toEqual(["n", 4]);
  });

  test("by a process that died is ended by the other one that shares the file, and its own line stands alone", async () => {
    const [dies, lives] = [await started(), await started()];
    await narrow(dies, "a");
    await narrow(lives, "b");
    await appendFile(file, ((await lines()).at(-1) ?? "").slice(0, 50));
    await narrow(lives, "c");
    await Promise.all([dies.stop(), lives.stop()]);
    expect([await told(), (await read()).torn, (await lines()).length]).toEqual(["abc", 1, 6]);
  });

  test("right before a whole line of another process hides nothing of it", async () => {
    const [one, two] = [await started(), await started()];
    for (const letter of "abc") await narrow(letter === "b" ? one : two, letter);
    await Promise.all([one.stop(), two.stop()]);
    const all = await lines();
    const torn = (all.at(-1) ?? "").slice(0, 60);
    for (let at = 1; at < all.length; at += 1) {
      await writeFile(file, `${all.with(at, torn + all[at]).join("\n")}\n`);
      expect([await told(), (await read()).torn]).toEqual(["abc", 1]);
    }
  });

  test("is told of as not written, so that nothing is answered that is not on disk", async () => {
    const journal = await started();
    await narrow(journal, "a");
    // The disk takes a part of the line and no more.
    const probe = await open(file, "r");
    const prototype = Object.getPrototypeOf(probe) as {
      write(bytes: Buffer | string): Promise<{ bytesWritten: number }>;
    };
    await probe.close();
    const write = prototype.write;
    const full = vi.spyOn(prototype, "write").mockImplementationOnce(function (this: unknown, bytes: Buffer | string) {
      return write.call(this as never, Buffer.from(bytes).subarray(0, 40));
    });
    await expect(narrow(journal, "b")).rejects.toMatchObject({ code: "JOURNAL_UNWRITABLE", retryable: true });
    full.mockRestore();
    await narrow(journal, "c");
    await journal.stop();
    expect([await told(), (await read()).torn]).toEqual(["ac", 1]);
  });
});

test("a whole line that is made to look torn, in the middle or at the end of a run, is missed", async () => {
  for (const letters of ["abc", "d"]) {
    const journal = await started();
    for (const letter of letters) await narrow(journal, letter);
    await journal.stop();
  }
  const all = await lines();
  // The last one alone could be cut off as well: archives name it.
  for (let at = 0; at < all.length - 1; at += 1) {
    for (const left of [(all[at] ?? "").slice(0, 40), "", "x", "[]"]) {
      await writeFile(file, `${all.with(at, left).join("\n")}\n`);
      await expect(read()).rejects.toMatchObject({ code: "JOURNAL_INVALID" });
    }
  }
});
