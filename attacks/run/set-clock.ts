/**
 * The clock of a gateway, set from outside: what `Date.now` says in its process, what it is told that the clock of Redis
 * says, and when its recurring jobs have their turn. Between two settings it goes on at the speed of a real one. Timeouts
 * of requests and connections stay real.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { TURNS } from "../../src/platform/periodic.ts";
import { setRedisClock } from "./set-redis-clock.ts";

/** What the tool says; answered by an empty line when all jobs that fell due are done. */
export interface Setting {
  /** Unix ms; never back. */
  readonly at: number;
  /** Whether jobs that are due have their turn now, and not a moment later. */
  readonly turns: boolean;
}

export const CLOCK_PORT = "ATTACKS_CLOCK_PORT";
/** Jobs that fall due as the clock goes on by itself. */
const LOOK_EVERY_MS = 100;
/** A job that waits for something that only this process's other work can bring must not hold the clock. */
const LONGEST_TURN_MS = 2_000;

interface Waiting {
  readonly dueAt: number;
  readonly turn: () => Promise<void>;
}

/** Resolves once the clock was set for the first time. */
export async function followClock(port: number): Promise<void> {
  const realNow = Date.now;
  const startedAt = realNow();
  let base = startedAt;
  let since = performance.now();
  const now = (): number => Math.floor(base + performance.now() - since);
  const waiting = new Set<Waiting>();

  const takeTurns = async (): Promise<void> => {
    const due = [...waiting].filter(({ dueAt }) => dueAt <= now()).sort((left, right) => left.dueAt - right.dueAt);
    for (const one of due) waiting.delete(one);
    const done = Promise.all(due.map(({ turn }) => turn()));
    await Promise.race([done, new Promise((resolve) => setTimeout(resolve, LONGEST_TURN_MS).unref())]);
  };

  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  socket.once("close", () => process.exit(1));
  let begun = false;
  const settings = createInterface({ input: socket }).on("line", (line) => {
    const { at, turns } = JSON.parse(line) as Setting;
    base = begun ? Math.max(at, now()) : at;
    since = performance.now();
    begun = true;
    void (turns ? takeTurns() : Promise.resolve()).finally(() => socket.write("\n"));
  });
  await once(settings, "line");

  Date.now = now;
  setRedisClock(now);
  TURNS.after = (everyMs, turn) => {
    const one = { dueAt: now() + everyMs, turn };
    waiting.add(one);
    return () => waiting.delete(one);
  };
  setInterval(() => void takeTurns(), LOOK_EVERY_MS).unref();
}
