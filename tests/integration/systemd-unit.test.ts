/** systemd itself finds no fault with the unit, and calls what it could do if it were taken over little. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { expect, it } from "vitest";
import { onPath } from "../../tools/private-servers/service-binaries.ts";

const UNIT = fileURLToPath(new URL("../../deploy/systemd/consentry.service", import.meta.url));
const analyze = onPath("systemd-analyze");
if (analyze === undefined)
  process.stderr.write("systemd-unit: no systemd-analyze on this machine (apt-get install systemd)\n");

/** In tenths; without any hardening it is 9.6, and 2.0 is what systemd calls OK. */
const MOST_EXPOSED = 15;

it.skipIf(analyze === undefined)("passes `systemd-analyze verify` and `security`", async () => {
  const dir = await mkdtemp(join(tmpdir(), "systemd-unit-"));
  try {
    // The program has to exist for the check; on this machine Node may be elsewhere.
    const text = (await readFile(UNIT, "utf8")).replace("/usr/bin/node", process.execPath);
    const file = join(dir, "consentry.service");
    const run = (...args: string[]) => execa(analyze ?? "", [...args, file], { reject: false, all: true });
    await writeFile(file, text);
    const verified = await run("verify");
    expect([verified.exitCode, verified.all]).toEqual([0, ""]);
    const security = await run("security", "--offline=yes", `--threshold=${MOST_EXPOSED}`);
    expect(security.exitCode, security.all).toBe(0);
    // Both look: with a mistyped setting, and without a guard.
    await writeFile(file, text.replace("NoNewPrivileges=yes", "NoNewPrivilege=yes"));
    expect((await run("verify")).all).toContain("NoNewPrivilege");
    await writeFile(file, text.replace(/^(?:System|Protect|Restrict|Private|Capab).*$/gm, ""));
    expect((await run("security", "--offline=yes", `--threshold=${MOST_EXPOSED}`)).exitCode).not.toBe(0);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
