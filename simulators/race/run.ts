/** One race from start to judgement. */
import { eventually } from "../concurrency.ts";
import { Arena, type Broken } from "./arena.ts";
import { type Field, prepareField } from "./field.ts";
import { type RaceResult, resultOf } from "./result.ts";
import type { Verdict } from "./verdict.ts";
import { runCourse } from "./waves.ts";

export interface RaceOptions {
  readonly dir: string;
  readonly messages: number;
  readonly devices: number;
  /** How often a gateway is killed. */
  readonly kills: number;
  readonly seed: number;
  /** For a negative control. */
  readonly broken?: Broken | undefined;
  readonly storeDelayMs: number;
  /** Rows of each measurement and packets of each purpose that have to be checked, in place of the share that a run of this size has to. */
  readonly leastChecked?: number | undefined;
  readonly say: (line: string) => void;
  readonly progress?: (state: RaceProgress) => void;
  readonly signal: AbortSignal;
}

export interface RaceProgress {
  readonly sent: number;
  readonly withdrawals: number;
  readonly erasures: number;
  readonly kills: number;
}

const PROGRESS_MS = 200;
/** A batch of a killed gateway is processed again after 15 s at most. */
const SETTLE_DEADLINE_MS = 120_000;

/** Nothing is left running, however it ends. Throws when the race could not be held, which says nothing about who would have won. */
export async function runRace(options: RaceOptions): Promise<RaceResult> {
  const startedAt = performance.now();
  const { seed, messages, leastChecked, say, signal } = options;
  const arena = new Arena(options);
  const closing: (() => Promise<void> | void)[] = [() => arena.stop()];
  try {
    await arena.start();
    signal.throwIfAborted();
    const field = await prepareField({ ...options, arena, closing: (close) => closing.push(close) });
    const steady = steadyDevices(field);
    say(`  ${field.devices.length} devices of ${field.people.length} people; ${steady.size} devices change nothing`);
    const racingMs = await race(options, arena, field);
    say("  all sent and acknowledged; waiting until nothing is in progress any more");
    const verdict = await conclude(field, steady);
    const durationMs = performance.now() - startedAt;
    return resultOf({ ...field, seed, messages, leastChecked, verdict, racingMs, durationMs });
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** Resolves once every message was sent and acknowledged and every change of mind is complete, with how long that took. */
async function race(options: RaceOptions, arena: Arena, field: Field): Promise<number> {
  const { fleet, minds, tally, sent, random } = field;
  const { kills, signal } = options;
  const all = field.devices.map(({ index }) => index);
  const startedAt = performance.now();
  const progress = setInterval(() => {
    const killed = tally.kills.a + tally.kills.b;
    options.progress?.({
      sent: sent.count,
      withdrawals: tally.withdrawalCount,
      erasures: tally.erasures,
      kills: killed,
    });
  }, PROGRESS_MS);
  const stopped = aborted(signal);
  try {
    fleet.resume(all);
    const changing = minds.run();
    const course = runCourse({ arena, fleet, random, tally, kills, turns: fleet.turns, signal });
    await Promise.race([course, changing.then(() => course), stopped]);
    minds.stop();
    await Promise.race([changing, stopped]);
    await Promise.race([fleet.finish(), stopped]);
    await Promise.race([fleet.quiesce(all), stopped]);
    return performance.now() - startedAt;
  } finally {
    clearInterval(progress);
    minds.stop();
  }
}

async function conclude(field: Field, steady: ReadonlySet<number>): Promise<Verdict> {
  const { judge, names, listeners, store } = field;
  if (!(await eventually(async () => (await names.underWay()) === 0, SETTLE_DEADLINE_MS))) {
    throw new Error("the queue did not run empty");
  }
  await listeners.caughtUp();
  const stored = await store.read();
  return judge.verdict({ stored, heard: listeners.heard, steady });
}

/** Of people who never change anything. */
function steadyDevices({ people }: Field): Set<number> {
  return new Set(people.flatMap(({ steady, devices }) => (steady ? devices.map(({ index }) => index) : [])));
}

/** Never resolves; rejects when the signal fires. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
