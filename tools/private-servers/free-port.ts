/**
 * Ports for private servers. One that was killed is started again on its own port, and meanwhile no one else may be given it: so they
 * are none of those that the system gives to connections and to whoever asks for any.
 */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { PrivateServerError } from "./private-server-error.ts";

const LOWEST = 10_240;
/** The lowest that Linux gives away as it comes. */
const USUAL_END = 32_768;
/** Test files that run side by side choose in parts of their own. */
const PARTS = 16;
const given = new Set<number>();

/** An unused port on loopback: the wanted one when no one has it, else another that this process has not given to anyone yet. */
export async function freePort(wanted = 0): Promise<number> {
  if (wanted !== 0 && (await isFree(wanted))) return take(wanted);
  const { from, count } = part();
  const start = randomInt(count);
  for (let n = 0; n < count; n += 1) {
    const port = from + ((start + n) % count);
    if (!given.has(port) && (await isFree(port))) return take(port);
  }
  throw new PrivateServerError("SERVICE_FAILED", "no free port");
}

function take(port: number): number {
  given.add(port);
  return port;
}

function part(): { readonly from: number; readonly count: number } {
  const all = Math.max(PARTS, endOfRange() - LOWEST);
  const count = Math.floor(all / PARTS);
  const worker = Number(process.env.VITEST_POOL_ID);
  return Number.isInteger(worker) && worker > 0
    ? { from: LOWEST + (worker % PARTS) * count, count }
    : { from: LOWEST, count: all };
}

/** Where the ports begin that the system gives away. */
function endOfRange(): number {
  try {
    const begin = Number.parseInt(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"), 10);
    return begin > LOWEST + PARTS ? begin : USUAL_END;
  } catch {
    return USUAL_END;
  }
}

function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((done) => {
    probe.once("error", () => done(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => done(true)));
  });
}
