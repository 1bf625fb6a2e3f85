/** The scan finds what is planted, in every form and place; otherwise its silence would mean nothing. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { threadMs } from "../tests/fixtures/thread-time.ts";
import { type Canary, formsOf } from "./canary-forms.ts";
import { leakScan } from "./leak-scan.ts";
import { Random } from "./random.ts";

const CANARIES: readonly Canary[] = [
  { kind: "device-id", value: "thermostat-0f3a9c21b4d7" },
  { kind: "ip", value: "198.18.77.201" },
  { kind: "ip", value: "2001:db8:4f1a:9c2e::7b01" },
  { kind: "coordinate", value: "12.971598712" },
  { kind: "coordinate", value: "-46.633312347" },
  { kind: "account", value: 'asha "a?>" rao@mail.example' },
];

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "leak-scan-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Noise that holds no canary, but every byte value. */
function noise(length: number): Buffer {
  const random = new Random(7);
  return Buffer.from(Uint8Array.from({ length }, () => random.int(256)));
}

describe("leakScan", () => {
  it("finds nothing where nothing is, and says how much it read", async () => {
    await writeFile(join(directory, "noise"), noise(300_000));
    const result = await leakScan({ canaries: CANARIES, files: [directory], buffers: { log: "all is well" } });
    expect(result.leaks).toEqual([]);
    expect(result.scannedBytes).toBe(300_000 + "noise".length + "all is well".length);
    expect(result.canaryCount).toBe(CANARIES.length);
  });

  it.each(CANARIES.flatMap((canary) => formsOf(canary).map(({ form, bytes }) => [canary.kind, form, bytes] as const)))(
    "finds a planted %s in the form %s",
    async (kind, form, bytes) => {
      const { leaks } = await leakScan({
        canaries: CANARIES,
        buffers: { planted: Buffer.concat([noise(5000), bytes, noise(5000)]) },
      });
      expect(leaks).toContainEqual({ canaryKind: kind, form, where: "planted", count: 1 });
    },
  );

  it("finds what an encoder makes of a longer text that holds a canary", async () => {
    for (const before of ["", "a", "ab", "abc"]) {
      const text = `${before}{"device":"${CANARIES[0]?.value}"}`;
      for (const encoding of ["hex", "base64", "base64url", "utf16le"] as const) {
        const planted =
          encoding === "utf16le" ? Buffer.from(text, "utf16le") : Buffer.from(Buffer.from(text).toString(encoding));
        const { leaks } = await leakScan({ canaries: CANARIES, buffers: { planted } });
        expect(
          leaks.map(({ canaryKind }) => canaryKind),
          `${encoding} after ${before.length} bytes`,
        ).toEqual(["device-id"]);
      }
    }
  });

  it("finds a canary at the very start, at the very end and across any border between chunks", async () => {
    const canary = Buffer.from(CANARIES[0]?.value ?? "");
    const chunk = 1 << 20;
    for (let split = 0; split <= canary.length; split += 1) {
      const planted = Buffer.concat([Buffer.alloc(chunk - split, 0x20), canary, Buffer.alloc(100, 0x20)]);
      await writeFile(join(directory, `split-${split}`), planted);
    }
    await writeFile(join(directory, "start"), Buffer.concat([canary, Buffer.from("x")]));
    await writeFile(join(directory, "end"), Buffer.concat([Buffer.from("x"), canary]));
    const { leaks } = await leakScan({ canaries: CANARIES, files: [directory] });
    expect(leaks.map(({ where }) => where).sort()).toEqual(
      ["start", "end", ...Array.from({ length: canary.length + 1 }, (_, split) => `split-${split}`)].sort(),
    );
  });

  it("looks into file names and subdirectories, and never repeats what it found", async () => {
    const value = CANARIES[0]?.value ?? "";
    await mkdir(join(directory, "deep", "er"), { recursive: true });
    await writeFile(join(directory, "deep", "er", value), "harmless");
    const result = await leakScan({ canaries: CANARIES, files: [directory] });
    expect(result.leaks).toEqual([{ canaryKind: "device-id", form: "plain", where: "a file name", count: 1 }]);
    expect(JSON.stringify(result)).not.toContain(value);
  });

  it("leaves out what is excluded, and only that", async () => {
    await mkdir(join(directory, "keys"));
    await writeFile(join(directory, "keys", "a"), CANARIES[0]?.value ?? "");
    await writeFile(join(directory, "b"), CANARIES[1]?.value ?? "");
    const { leaks } = await leakScan({ canaries: CANARIES, files: [directory], exclude: [join(directory, "keys")] });
    expect(leaks.map(({ canaryKind }) => canaryKind)).toEqual(["ip"]);
  });

  it("counts distinct canaries, however often each occurs", async () => {
    const planted = `${CANARIES[1]?.value} ${CANARIES[1]?.value} ${CANARIES[2]?.value}`;
    const { leaks } = await leakScan({ canaries: CANARIES, buffers: { planted } });
    expect(leaks).toEqual([{ canaryKind: "ip", form: "plain", where: "planted", count: 2 }]);
  });

  it("refuses a canary too short to mean anything", async () => {
    await expect(leakScan({ canaries: [{ kind: "ip", value: "1.2.3.4" }] })).rejects.toThrow(RangeError);
  });

  it("finds one among forty thousand in several megabytes", async () => {
    const random = new Random(11);
    const canaries = Array.from(
      { length: 40_000 },
      (): Canary => ({ kind: "message-id", value: `msg-${random.hex(16)}` }),
    );
    const planted = Buffer.concat([noise(4_000_000), Buffer.from(canaries[31_415]?.value ?? ""), noise(1000)]);
    const before = threadMs();
    const { leaks } = await leakScan({ canaries, buffers: { planted } });
    expect(leaks).toHaveLength(1);
    // Looked for one by one, they would take more than a minute.
    expect(threadMs() - before).toBeLessThan(30_000);
  });
});
