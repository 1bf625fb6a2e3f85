import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GatewayError } from "../../model/errors.ts";
import { readKeys, readKeysOf } from "./files.ts";

let root: string;
let dir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "consentry-keys-"));
  dir = join(root, "private", "keys");
});
afterEach(() => rmSync(root, { recursive: true }));

function refusal(create = false): string {
  try {
    readKeys(dir, { create });
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    expect((error as GatewayError).code).toBe("KEY_INVALID");
    return (error as GatewayError).message;
  }
  throw new Error("was accepted");
}

const modeOf = (path: string) => statSync(path).mode & 0o777;

describe("making keys", () => {
  it("makes a complete set, readable only by its owner, and reads the same set afterwards", () => {
    const made = readKeys(dir, { create: true });
    const again = readKeys(dir, { create: true });
    expect(again).toEqual(made);
    expect(readKeys(dir, { create: false })).toEqual(made);
    expect(made.queue.active).toBe("q0001");
    const keys = [made.lookup, made.pepper, made.master, made.token, made.receipt, ...made.queue.all.values()];
    expect(new Set(keys.map((key) => key.toString("hex"))).size).toBe(6);
    for (const key of keys) expect(key).toHaveLength(32);
    for (const path of [dir, join(dir, "queue")]) expect(modeOf(path)).toBe(0o700);
    for (const name of ["lookup.key", "pepper.key", "master.key", "token.key", "receipt.key", "queue/q0001.key"]) {
      expect(modeOf(join(dir, name))).toBe(0o600);
    }
    expect(readdirSync(join(root, "private"))).toEqual(["keys"]);
  });

  it("fills an empty directory, but never an incomplete set", () => {
    mkdirSync(dir, { recursive: true });
    readKeys(dir, { create: true });
    rmSync(join(dir, "master.key"));
    expect(refusal(true)).toBe("KEY_INVALID: master.key: missing");
    expect(existsSync(join(dir, "master.key"))).toBe(false);
  });

  it("makes nothing without `create`", () => {
    expect(refusal()).toBe("KEY_INVALID: lookup.key: missing");
    expect(existsSync(dir)).toBe(false);
  });
});

describe("reading keys", () => {
  beforeEach(() => {
    readKeys(dir, { create: true });
  });

  it("seals with the queue key whose name sorts last and keeps the others for opening", () => {
    writeFileSync(join(dir, "queue", "q0010.key"), "0f1e2d3c4b5a69788796a5b4c3d2e1f00123456789abcdeffedcba9876543210", {
      mode: 0o400,
    });
    const { queue } = readKeys(dir, { create: false });
    expect(queue.active).toBe("q0010");
    expect([...queue.all.keys()]).toEqual(["q0001", "q0010"]);
  });

  it.each([
    ["too-short", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"],
    ["too-short", ""],
    ["too-long", "0f1e2d3c4b5a69788796a5b4c3d2e1f00123456789abcdeffedcba987654321000"],
    ["too-long", "ab".repeat(5_000)],
    ["not-hex", "correct horse battery staple correct horse battery staple"],
    ["not-hex", "0f1e2d3c4b5a69788796a5b4c3d2e1f00123456789abcdeffedcba987654321"],
    ["guessable", "00".repeat(32)],
    ["guessable", "0123456789abcdef".repeat(4)],
    ["guessable", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"],
    ["guessable", "0f1e2d3c4b5a69788796a5b4c3d2e1f0".repeat(2)],
    ["guessable", Buffer.from("correct horse battery staple 123").toString("hex")],
  ])("rejects a key that is %s", (code, content) => {
    writeFileSync(join(dir, "pepper.key"), content);
    const message = refusal();
    expect(message).toBe(`KEY_INVALID: pepper.key: ${code}`);
  });

  it.each([0o640, 0o604, 0o620, 0o601])("refuses mode %o", (mode) => {
    chmodSync(join(dir, "queue", "q0001.key"), mode);
    expect(refusal()).toBe("KEY_INVALID: q0001.key: readable-by-others");
  });

  it.each(["", "queue", "retired"])("rejects a folder %s that others may write to", (folder) => {
    mkdirSync(join(dir, folder), { recursive: true, mode: 0o700 });
    chmodSync(join(dir, folder), 0o720);
    expect(refusal()).toBe(`KEY_INVALID: ${folder === "" ? "keys" : folder}: writable-by-others`);
  });

  it("refuses a retired key that others can read", () => {
    mkdirSync(join(dir, "retired"), { mode: 0o700 });
    writeFileSync(join(dir, "retired", "master-x.key"), randomBytes(32).toString("hex"), { mode: 0o644 });
    expect(refusal()).toBe("KEY_INVALID: master-x.key: readable-by-others");
  });

  it("refuses one key in two roles", () => {
    writeFileSync(join(dir, "token.key"), readFileSync(join(dir, "lookup.key")));
    expect(refusal()).toBe("KEY_INVALID: same key in two files");
  });

  it("refuses a queue without a key, a stray name, and a directory in place of a key", () => {
    writeFileSync(join(dir, "queue", "New Key.key"), "");
    expect(refusal()).toBe("KEY_INVALID: queue: bad-name");
    rmSync(join(dir, "queue"), { recursive: true });
    expect(refusal()).toBe("KEY_INVALID: queue: missing");
    mkdirSync(join(dir, "queue"));
    expect(refusal()).toBe("KEY_INVALID: queue: missing");
    rmSync(join(dir, "lookup.key"));
    mkdirSync(join(dir, "lookup.key"));
    expect(refusal()).toBe("KEY_INVALID: lookup.key: not-a-file");
  });

  it("names neither the path nor the content of a key", () => {
    writeFileSync(join(dir, "pepper.key"), "c0ffee");
    try {
      readKeys(dir, { create: false });
      expect.unreachable();
    } catch (error) {
      const told = JSON.stringify(
        error,
        Object.getOwnPropertyNames(error as object).filter((name) => name !== "stack"),
      );
      expect(told).not.toContain(root);
      expect(told).not.toContain("c0ffee");
    }
  });
});

describe("some keys alone", () => {
  it("are those of the whole set, and need no other file", () => {
    const whole = readKeys(dir, { create: true });
    for (const name of ["master.key", "pepper.key", "receipt.key"]) rmSync(join(dir, name));
    rmSync(join(dir, "queue"), { recursive: true });
    expect(readKeysOf(dir, ["lookup", "token", "nextMaster"])).toEqual({
      lookup: whole.lookup,
      token: whole.token,
      nextMaster: undefined,
    });
    expect(() => readKeysOf(dir, ["queue"])).toThrow("KEY_INVALID: queue: missing");
  });

  it("are refused for the same faults", () => {
    readKeys(dir, { create: true });
    chmodSync(join(dir, "token.key"), 0o640);
    expect(() => readKeysOf(dir, ["token"])).toThrow("KEY_INVALID: token.key: readable-by-others");
    expect(readKeysOf(dir, ["lookup"]).lookup).toHaveLength(32);
    writeFileSync(join(dir, "pepper.key"), readFileSync(join(dir, "lookup.key")));
    expect(() => readKeysOf(dir, ["lookup", "pepper"])).toThrow("KEY_INVALID: same key in two files");
    chmodSync(dir, 0o777);
    expect(() => readKeysOf(dir, ["lookup"])).toThrow("KEY_INVALID: keys: writable-by-others");
  });
});
