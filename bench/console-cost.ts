/**
 * What one open tab of the operator's console costs the gateway. Two processes differ by more than that, so it is asked of one: under
 * load in turn with the tab and without, and at rest beside a gateway without a console, which shows what the listener and its looks
 * take as well.
 */
import { setTimeout as wait } from "node:timers/promises";
import { Child } from "./child.ts";
import type { TabCommands } from "./console-tab.ts";
import { type LoadPlan, type Measured, measure } from "./measure.ts";
import { cpuUs } from "./process-usage.ts";
import { type RatioSpread, ratioOfPairs } from "./quartiles.ts";
import type { Contender } from "./windows.ts";

export interface ConsoleCost {
  readonly ratePerSecond: number;
  /** CPU of the gateway per message with one tab open, as a multiple of the same process with none. */
  readonly ratio: RatioSpread;
  /** CPU of a gateway without load, in ms per second. */
  readonly restingMs: { readonly withTab: number; readonly withoutConsole: number };
  /** The difference of the two, as a share of what the gateway takes at that rate. */
  readonly share: number;
}

/** Messages per second, each sent singly: at the peak the console would be a smaller share. */
const RATE = 3_000;
/** A frame each 5 s: a window has two of them. */
const FRAME_MS = 5_000;
const WINDOW_MS = 2 * FRAME_MS;
const REST_MS = 6 * FRAME_MS;

/** Both run already, and nothing else does. */
export async function consoleCost(
  withConsole: Contender,
  without: Contender,
  plan: Pick<LoadPlan, "warmUpMs"> & { readonly pairs: number; readonly rampMs: number },
): Promise<ConsoleCost> {
  const target = withConsole.pipeline.console;
  if (target === undefined) throw new Error("it has no console");
  const tab = new Child<TabCommands>("console-tab.ts");
  try {
    await tab.ask("signIn", target);
    const restingMs = await atRest(withConsole, without, tab);
    const waiting = [tab.pid, ...Object.values(without.pipeline.pids), without.loader.pid];
    const paced = { ratePerSecond: RATE, burst: 1 };
    await measure({ ...withConsole, waiting }, { ...paced, warmUpMs: plan.warmUpMs, durationMs: plan.rampMs });
    const [open, closed]: [Measured[], Measured[]] = [[], []];
    for (let pair = 0; pair < plan.pairs; pair += 1) {
      const window = () =>
        measure({ ...withConsole, waiting }, { ...paced, warmUpMs: plan.rampMs, durationMs: WINDOW_MS });
      // In turn first and second, so that what changes from window to window cancels.
      if (pair % 2 === 0) closed.push(await window());
      open.push(await whileOpen(tab, WINDOW_MS, window));
      if (pair % 2 === 1) closed.push(await window());
    }
    const ratio = ratioOfPairs(open.map(gatewayUs), closed.map(gatewayUs));
    const loadedMs = (Math.min(...closed.map(gatewayUs)) * RATE) / 1_000;
    return {
      ratePerSecond: RATE,
      ratio,
      restingMs,
      share: (restingMs.withTab - restingMs.withoutConsole) / loadedMs,
    };
  } finally {
    await tab.stop();
  }
}

async function atRest(
  withConsole: Contender,
  without: Contender,
  tab: Child<TabCommands>,
): Promise<ConsoleCost["restingMs"]> {
  const read = () => [withConsole, without].map(({ pipeline }) => cpuUs(pipeline.pids.gateway ?? 0));
  // A gateway that has just started still compiles.
  await wait(REST_MS / 2);
  const rest = async () => {
    const before = read();
    await wait(REST_MS);
    return read().map((us, index) => (us - (before[index] ?? 0)) / REST_MS);
  };
  const [withTab = 0, withoutConsole = 0] = await whileOpen(tab, REST_MS, rest);
  return { withTab, withoutConsole };
}

/** A tab that was told nothing meanwhile would have cost nothing. */
async function whileOpen<Result>(tab: Child<TabCommands>, ms: number, run: () => Promise<Result>): Promise<Result> {
  await tab.ask("open", undefined);
  const result = await run();
  const frames = await tab.ask("close", undefined);
  if (frames < ms / FRAME_MS) throw new Error(`the run is not valid: ${frames} frames of the console in ${ms} ms`);
  return result;
}

function gatewayUs({ cpuPerMessageUs }: Measured): number {
  return cpuPerMessageUs.gateway ?? 0;
}

export function roundedCost({ ratio, restingMs, share, ...cost }: ConsoleCost): ConsoleCost {
  const rounded = (value: number, digits: number) => Number(value.toFixed(digits));
  const { median, p25, p75, pairs } = ratio;
  return {
    ...cost,
    ratio: { median: rounded(median, 4), p25: rounded(p25, 4), p75: rounded(p75, 4), pairs },
    restingMs: { withTab: rounded(restingMs.withTab, 2), withoutConsole: rounded(restingMs.withoutConsole, 2) },
    share: rounded(share, 4),
  };
}
