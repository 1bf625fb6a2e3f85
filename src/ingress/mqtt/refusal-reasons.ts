/**
 * Which reason code a message is answered with. What the person has decided is told to a device once a minute at most, and not at
 * all where the operator says so: in between, as for a legal hold, the answer is that of a message that was taken.
 */
import type { DeviceKey } from "../../model/ids.ts";
import { BY_CONSENT, type Refusal } from "../../model/outcome.ts";
import { perMinute, type Rates } from "../../platform/rate.ts";
import { REFUSAL_CODES, SUCCESS } from "./v5/reason-codes.ts";

const REMEMBERED_DEVICES = 100_000;

export class RefusalReasons {
  readonly #told: Rates | undefined;

  constructor(tellConsent: boolean) {
    this.#told = tellConsent ? perMinute(1, REMEMBERED_DEVICES) : undefined;
  }

  of(refusal: Exclude<Refusal, "not-durable">, device: DeviceKey): number {
    if (!BY_CONSENT.has(refusal) && refusal !== "unknown-device") return REFUSAL_CODES[refusal];
    const now = Date.now();
    return this.#told?.bucket(device, now).take(now) === true ? REFUSAL_CODES[refusal] : SUCCESS;
  }
}
