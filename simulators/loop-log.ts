/** What came back to the devices of a run: forecasts for the cell they are in, and commands that they carried out. */
import type { Household, SimulatedDevice } from "./population.ts";

export interface Packet {
  readonly topic: string;
  readonly payload: string;
}

/** A device that got a forecast, and what it got. */
export interface ToldForecast extends Packet {
  readonly device: SimulatedDevice;
}

/** From the message that a rule answers to what the firmware did. */
export interface Switching {
  readonly household: Household;
  readonly cause: Packet;
  readonly command: Packet;
  readonly done: Packet;
  /** From publishing the first to receiving the second. */
  readonly ms: number;
}

export class LoopLog {
  readonly forecasts: ToldForecast[] = [];
  readonly switchings: Switching[] = [];
  /** All that firmware was handed, whatever it did with them. */
  commands = 0;
  /** Of these, what firmware did and said that it had. */
  carriedOut = 0;
  /** Messages that a rule should answer, and has not answered. */
  open = 0;
}
