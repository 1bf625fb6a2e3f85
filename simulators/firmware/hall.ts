/**
 * A hall with a motion sensor and a lamp: someone comes, and goes again and switches the lamp off by hand. On goes the lamp only when it is
 * told to. A visit begins and ends after so many messages of the hub, so the same seed gives the same visits.
 */
import type { Said } from "./zigbee-devices.ts";

export type HallDevice = "motion" | "lamp";

/** Of so many messages of the hub, and at which of them what happens. */
const ROUND = 12;
const COMES = 2;
const GOES = 7;
const SWITCHES_OFF = 8;
/** As Zigbee counts: 100 %. */
const FULL = 254;

export class Hall {
  #turn = 0;
  #occupied = false;
  #on = false;

  /** Which of the two has something to say with the next message of the hub. */
  next(): HallDevice | undefined {
    this.#turn += 1;
    const turn = this.#turn % ROUND;
    if (turn === COMES) this.#occupied = true;
    if (turn === GOES) this.#occupied = false;
    if (turn === SWITCHES_OFF) this.#on = false;
    if (turn === COMES || turn === GOES) return "motion";
    return turn === SWITCHES_OFF ? "lamp" : undefined;
  }

  /** Someone has come, and it is dark. */
  get needsLight(): boolean {
    return this.#occupied && !this.#on;
  }

  /** The payload of a command; false when it is none that the lamp knows. */
  obeys(payload: string): boolean {
    const { state } = JSON.parse(payload) as { state?: unknown };
    if (state !== "ON" && state !== "OFF") return false;
    this.#on = state === "ON";
    return true;
  }

  motion(): Said {
    const occupancy = this.#occupied;
    return { says: { battery: 90, occupancy, voltage: 3005 }, kept: { battery: 90, occupancy } };
  }

  lamp(): Said {
    const state = this.#on ? "ON" : "OFF";
    return { says: { brightness: FULL, state }, kept: { brightness: 100, power_on: this.#on } };
  }
}
