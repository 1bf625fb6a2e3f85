/** What is about to be told to services is held up, so that withdrawals meet some of it: what a slow store is to rows. */
import { setTimeout as sleep } from "node:timers/promises";
import { CrowdTopics } from "../../src/sinks/services/crowd-topics.ts";
import { PurposeTopics } from "../../src/sinks/services/purpose-topics.ts";

/** Of the environment of a gateway: for how many milliseconds. */
export const TELLING_DELAY = "RACE_TELLING_DELAY_MS";
/** How often the gateways of the race tell the weather. */
export const WEATHER_STEP_MS = 500;

/** After the account was written and before anything is handed over. */
export function delayTellings(delayMs: number): void {
  if (delayMs === 0) return;
  const crowds = CrowdTopics.prototype.announce;
  CrowdTopics.prototype.announce = async function (tellings) {
    const deliver = await crowds.call(this, tellings);
    await sleep(delayMs);
    return deliver;
  };
  const devices = PurposeTopics.prototype.announce;
  PurposeTopics.prototype.announce = async function (batch) {
    const deliver = await devices.call(this, batch);
    await sleep(delayMs);
    return deliver;
  };
}

/** From now until the weather of what is said now is about to be told. */
export function untilTold(nowMs: number): number {
  const end = Math.ceil((nowMs + IN_PIPELINE_MS) / WEATHER_STEP_MS) * WEATHER_STEP_MS;
  return end + AFTER_STEP_MS - nowMs;
}

/** What a message takes until it waits for the end of its step, where the store is slow. */
const IN_PIPELINE_MS = 800;
/** After its end a step waits for what is in progress, a tenth of itself. */
const AFTER_STEP_MS = WEATHER_STEP_MS / 5;
