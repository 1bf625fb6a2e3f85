/**
 * The users of a private Redis: the gateway may do what it may in production (config/redis-gateway.acl), a test that looks
 * at it from outside may do everything. So every run shows that the gateway needs no more.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

export const GATEWAY_USER = "gateway";
const RIGHTS = new URL("../../config/redis-gateway.acl", import.meta.url);

export interface RedisUsers {
  /** For the command line of redis-server. */
  readonly args: readonly string[];
  /** The same server, with the gateway's login. */
  gatewayUrl(url: string): string;
}

/** The rules of the gateway's user, one after the other. */
export async function gatewayRights(): Promise<string[]> {
  const lines = (await readFile(RIGHTS, "utf8")).split("\n").filter((line) => !line.startsWith("#"));
  return lines.flatMap((line) => line.split(" ")).filter((rule) => rule !== "");
}

/** Written below `dir`; the password is a new one each time, and Redis gets its hash alone. */
export async function redisUsers(dir: string): Promise<RedisUsers> {
  const password = randomBytes(24).toString("hex");
  const hash = createHash("sha256").update(password).digest("hex");
  const file = join(dir, "redis-users.acl");
  const gateway = ["user", GATEWAY_USER, "on", `#${hash}`, ...(await gatewayRights())].join(" ");
  await mkdir(dir, { recursive: true });
  await writeFile(file, `user default on nopass ~* &* +@all\n${gateway}\n`, { mode: 0o600 });
  return {
    args: ["--aclfile", file],
    gatewayUrl: (url) => url.replace("redis://", `redis://${GATEWAY_USER}:${password}@`),
  };
}
