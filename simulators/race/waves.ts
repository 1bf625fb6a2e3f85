/** The course of a race: wave after wave of messages, and every few waves a gateway that is killed without warning. */
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../concurrency.ts";
import type { Random } from "../random.ts";
import type { Arena, GatewayName } from "./arena.ts";
import type { RaceFleet } from "./fleet.ts";
import type { Tally } from "./tally.ts";

export interface Course {
  readonly arena: Arena;
  readonly fleet: RaceFleet;
  readonly random: Random;
  readonly tally: Tally;
  readonly kills: number;
  /** How often each device is to speak in the waves. */
  readonly turns: number;
  readonly signal: AbortSignal;
}

const WAVES_FOR_EACH_KILL = 4;
const LEAST_WAVES = 8;
const MOST_WAVES = 100;
const A_SHARE = 0.3;
const AWAY_MS = 1_500;
/** A kill comes at most this long after the first messages of a wave: some are in progress. */
const INTO_WAVE_MS = 40;
const POLL_MS = 10;
/** On a machine on which people are slow the waves do not wait for them without limit. */
const LONGEST_MS = 240_000;

/**
 * A wave comes once its share of the changes of mind has happened, so that both last equally long; all devices speak in it, about
 * once, and crowds form in each. Resolves with
 * the last wave out and both gateways there.
 */
export async function runCourse({ arena, fleet, random, tally, kills, turns, signal }: Course): Promise<void> {
  const waves = Math.max(LEAST_WAVES, kills * WAVES_FOR_EACH_KILL, Math.min(turns, MOST_WAVES));
  const deadline = performance.now() + LONGEST_MS;
  let killed = 0;
  let back: Promise<void> = Promise.resolve();
  let fault: unknown;
  for (let wave = 1; wave <= waves; wave += 1) {
    signal.throwIfAborted();
    fleet.release(wave / waves);
    const until = (wave - random.next()) / waves;
    const due = () => signal.aborted || fault !== undefined || fleet.burstsUsed >= until;
    await eventually(due, Math.max(0, deadline - performance.now()), POLL_MS);
    if (fault !== undefined) throw fault;
    if (killed >= Math.floor((wave * kills) / waves)) continue;
    await back;
    if (fault !== undefined) throw fault;
    signal.throwIfAborted();
    // However few kills there are, both kinds of gateway are among them.
    const name: GatewayName = killed === 1 || (killed > 1 && random.chance(A_SHARE)) ? "a" : "b";
    killed += 1;
    fleet.release(Math.min(1, (wave + 1) / waves));
    await sleep(random.int(INTO_WAVE_MS));
    await arena.kill(name);
    tally.kills[name] += 1;
    back = sleep(random.int(AWAY_MS))
      .then(() => arena.startGateway(name))
      .catch((error: unknown) => {
        fault = error;
      });
  }
  await back;
  if (fault !== undefined) throw fault;
}
