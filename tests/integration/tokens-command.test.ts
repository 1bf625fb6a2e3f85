/**
 * Named tokens, from the command to a gateway that runs: good at once for what they are for, none any more when the command
 * that ends them has answered, and never kept. Beside it what every command promises: it needs no secret that it has no use
 * for, and a reader that goes is no fault.
 */
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MAX_NAMED_TOKENS } from "../../src/model/named-token.ts";
import { keyspaceOf } from "../../src/platform/keyspace.ts";
import { TokenRegistry } from "../../src/tokens/registry.ts";
import { builtProgram } from "../../tools/stack/built-program.ts";
import { redisChunks } from "../../tools/stack/redis-reader.ts";
import { exchange, Session, tokenIn } from "../fixtures/centre-client.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

/** Every token that a command has printed or written. */
const made: string[] = [];

const tokens = (...args: string[]) => runCommand("tokens", [...args, "--config", system.stack.config.file]);

async function token(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await tokens(...args);
  expect([exitCode, stderr]).toEqual([0, ""]);
  const text = stdout.split(" ")[1] ?? "";
  expect(text).toMatch(/^[A-Za-z0-9_-]{43}$/);
  made.push(text);
  return text;
}

async function ask(bearer: string, path: string, method = "GET", body?: object): Promise<number> {
  const headers = { authorization: `Bearer ${bearer}`, ...(body && { "content-type": "application/json" }) };
  const answer = await fetch(`${system.stack.httpUrl}${path}`, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

/** Lines about tokens, and those that a token asked for, without their times. */
async function audited(): Promise<string[]> {
  const { stdout } = await runCommand("audit", ["list", "--json", "--config", system.stack.config.file]);
  return stdout
    .split("\n")
    .map((line) => JSON.parse(line) as { act: string; by: string; outcome?: string; detail?: { token?: string } })
    .filter(({ detail }) => detail?.token !== undefined)
    .map(({ act, by, outcome, detail }) => `${act} ${by} ${outcome} ${JSON.stringify(detail)}`);
}

test("a token opens what it was made for, and its name stands in the audit log", async () => {
  const bearer = await token("create", "provisioning", "--scope", "bind", "--scope", "consent");
  await until("the gateway knows it", async () => (await ask(bearer, "/v1/policies")) === 200);
  expect(await ask(bearer, "/v1/subjects/anna/devices/lamp-1", "PUT")).toBe(204);
  expect(await ask(bearer, "/v1/subjects/anna/consents")).toBe(403);
  expect(await ask(bearer, "/v1/subjects/anna/export")).toBe(403);
  expect(await ask(bearer, "/v1/subjects/anna/erasures", "POST", {})).toBe(403);
  expect(await audited()).toEqual([
    'http-token-created operator asked {"token":"provisioning","scopes":"bind+consent"}',
    'http-token-created operator done {"token":"provisioning","number":1}',
    'device-bound account-service asked {"token":"provisioning"}',
  ]);
});

test("a rotation leaves two that are good, no third, and --end-old ends those before when it has answered", async () => {
  const [first, second] = [await token("create", "support", "--scope", "read"), await token("rotate", "support")];
  await until("the gateway knows both", async () => (await ask(second, "/v1/keys/receipt")) === 200);
  expect(await ask(first, "/v1/keys/receipt")).toBe(200);
  expect(await tokens("rotate", "support")).toMatchObject({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringContaining("two-tokens"),
  });
  expect((await tokens("list")).stdout).toMatch(/^support {14}read; #1 of \S+, ends \S+; #2 of \S+$/m);
  const third = await token("rotate", "support", "--end-old");
  expect([await ask(first, "/v1/keys/receipt"), await ask(second, "/v1/keys/receipt")]).toEqual([401, 401]);
  expect(await ask(third, "/v1/keys/receipt")).toBe(200);
});

test("a revoked one is none when the command has answered, and neither are links and sessions that came of it", async () => {
  const scopes = ["consent", "read", "export", "erase"].flatMap((scope) => ["--scope", scope]);
  const bearer = await token("create", "portal", ...scopes);
  await until("the gateway knows it", async () => (await ask(bearer, "/v1/policies")) === 200);
  const link = async (): Promise<string> => {
    const answer = await fetch(`${system.stack.httpUrl}/v1/subjects/anna/links`, {
      method: "POST",
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: JSON.stringify({ by: "subject", jurisdiction: ["IN"] }),
    });
    return tokenIn(((await answer.json()) as { url: string }).url);
  };
  const [used, unused] = [await link(), await link()];
  const { headers } = await exchange(system, used);
  const session = new Session(system.stack.httpUrl, (headers.get("set-cookie") ?? "").split(";")[0] ?? "");
  const own = await Session.of(system, "anna");
  expect((await session.get("overview")).status).toBe(200);
  expect((await tokens("revoke", "portal")).exitCode).toBe(0);
  expect(await ask(bearer, "/v1/policies")).toBe(401);
  expect(await session.get("overview")).toMatchObject({ status: 401, json: { code: "session-ended" } });
  expect(await exchange(system, unused)).toMatchObject({ status: 401, json: { code: "link-invalid" } });
  // That of a link which another token made goes on.
  expect((await own.get("overview")).status).toBe(200);
  expect(await tokens("revoke", "portal")).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("unknown-token"),
  });
});

test("one that ends by itself does, and full metrics are for `operate`", async () => {
  const bearer = await token("create", "scraper", "--scope", "operate", "--expires", "1d");
  await until("the gateway knows it", async () => (await ask(bearer, "/metrics")) === 200);
  expect(await ask(made[0] ?? "", "/metrics")).toBe(403);
  const { issued } = JSON.parse(
    (await tokens("list", "--json")).stdout.split("\n").find((line) => line.includes("scraper")) ?? "",
  );
  expect(issued[0].endsAt - issued[0].issuedAt).toBeGreaterThan(86_000_000);
});

test("--out writes a new file for its owner alone, and no token is made where that fails", async () => {
  const file = join(system.stack.dir, "secrets", "named.token");
  expect(await tokens("create", "filed", "--scope", "operate", "--out", file)).toMatchObject({
    exitCode: 0,
    stdout: "",
  });
  const text = (await readFile(file, "utf8")).trim();
  made.push(text);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await until("the gateway knows it", async () => (await ask(text, "/v1/audit")) === 200);
  expect(await tokens("create", "second", "--scope", "operate", "--out", file)).toMatchObject({
    exitCode: 1,
    stderr: "tokens: EEXIST",
  });
  expect((await tokens("list")).stdout).not.toContain("second");
  expect((await readFile(file, "utf8")).trim()).toBe(text);
});

/** The command before a pipe whose reader has gone already: its own exit code, and what it says. */
async function unread(command: string, ...args: string[]) {
  const program = await builtProgram(`src/commands/${command}.ts`);
  const script = '"$@" | true; exit $PIPESTATUS';
  const words = [process.execPath, program, ...args, "--config", system.stack.config.file];
  return execa("bash", ["-c", script, "bash", ...words], { reject: false });
}

test("a reader that goes is no fault of a command, and a token that no one read is ended again", async () => {
  expect(await unread("audit", "list")).toMatchObject({ exitCode: 0, stderr: "" });
  expect(await unread("keys", "list")).toMatchObject({ exitCode: 0, stderr: "" });
  expect(await unread("tokens", "create", "unread", "--scope", "read")).toMatchObject({
    exitCode: 1,
    stderr: "tokens: EPIPE",
  });
  expect((await tokens("list")).stdout).not.toContain("unread");
  expect((await audited()).at(-1)).toMatch(/^http-token-created operator asked {"token":"unread"/);
});

test("a command asks for no secret that it makes no use of", async () => {
  const config = JSON.parse(await readFile(system.stack.config.file, "utf8"));
  const none = join(system.stack.dir, "there-is-no-such-file");
  config.http.tokenFile = none;
  for (const service of config.services) service.tokenFile = none;
  const file = join(system.stack.dir, "secrets", "without.yaml");
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  const commands = [
    ["audit", "verify"],
    ["keys", "check"],
    ["dead-letters", "list"],
    ["retention", "--dry-run"],
    ["services", "list"],
    ["tokens", "list"],
  ];
  for (const [command = "", ...args] of commands) {
    const { exitCode, stderr } = await runCommand(command, [...args, "--config", file]);
    expect([command, exitCode, stderr]).toEqual([command, 0, ""]);
  }
});

test("names are bounded, of two changes at once one is refused, and an overlap prolongs none", async () => {
  let now = 1_000_000;
  const registry = new TokenRegistry(system.redis, keyspaceOf("elsewhere"), Buffer.alloc(32, 17), () => now);
  const both = await Promise.all([registry.create("n1", ["read"]), registry.create("n1", ["erase"])]);
  expect(both.map(({ refused }) => refused).sort()).toEqual([
    expect.stringMatching(/^(conflict|name-taken)$/),
    undefined,
  ]);
  for (let name = 2; name <= MAX_NAMED_TOKENS; name += 1) await registry.create(`n${name}`, ["read"]);
  expect(await registry.create("one-more", ["read"])).toEqual({ refused: "too-many-tokens" });
  await registry.create("n2", ["read"]);
  await registry.revoke("n2");
  await registry.create("n2", ["read"], now + 500);
  await registry.rotate("n2", 10_000);
  const issued = async () => (await registry.list()).tokens.find(({ name }) => name === "n2")?.issued;
  expect((await issued())?.map(({ number, endsAt }) => [number, endsAt])).toEqual([
    [1, now + 500],
    [2, undefined],
  ]);
  // What has ended by itself takes no place.
  now += 500;
  expect(await registry.rotate("n2", 10_000)).toMatchObject({ number: 3 });
  expect((await issued())?.map(({ number }) => number)).toEqual([2, 3]);
  expect(await registry.revoke("n2", 1)).toEqual({ refused: "unknown-token" });
  await registry.revoke("n2", 2);
  await registry.revoke("n2", 3);
  expect(await issued()).toBeUndefined();
});

test.each([
  [["create", "Billing", "--scope", "read"]],
  [["create", "acct-5551234567", "--scope", "read"]],
  [["create", "billing", "--scope", "all"]],
  [["create", "billing", "--scope", "read", "--expires", "2020-01-01"]],
  [["rotate", "billing", "--overlap", "31d"]],
  [["revoke", "billing", "x"]],
  [["list", "billing"]],
])("%j is no use of it", async (args) => {
  const { exitCode, stderr } = await tokens(...args);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining("Usage: npm run tokens")]);
});

test("the token of the configuration opens everything, has no name in the audit log, and is warned about at start", async () => {
  const { apiToken } = system.stack.config;
  expect([await ask(apiToken, "/v1/audit"), await ask(apiToken, "/v1/subjects/anna/consents")]).toEqual([200, 200]);
  const before = (await audited()).length;
  expect(await ask(apiToken, "/v1/subjects/anna/devices/lamp-2", "PUT")).toBe(204);
  expect(await audited()).toHaveLength(before);
  const log = await readFile(join(system.stack.dir, "logs", "gateway.log"), "utf8");
  expect(log).toContain("http token opens every route; replace it by named ones (npm run tokens)");
});

test("no token rests anywhere", async () => {
  expect(made.length).toBeGreaterThan(5);
  const stored: Buffer[] = [];
  for await (const { bytes } of redisChunks(system.stack.redisUrl)) stored.push(bytes);
  const all = Buffer.concat(stored);
  for (const text of made) {
    expect(all.includes(text)).toBe(false);
    const found = await execa("grep", ["-rlaF", "--exclude-dir=secrets", "--", text, system.stack.dir], {
      reject: false,
    });
    expect([found.exitCode, found.stdout]).toEqual([1, ""]);
  }
});
