/**
 * Tells `online` of devices whose credential asks for it: true when they connect, false when their connection ends without a
 * DISCONNECT. A message like any other, with the rate and the consent of the device; one that comes and goes is told once a
 * minute, as it is then. When the gateway itself stops, no one has gone.
 */
import type { DeviceKey } from "../../model/ids.ts";
import { PARTS } from "../../model/raw.ts";
import type { Admission } from "../admission/admission.ts";
import { Inbound } from "../admission/inbound.ts";
import type { DeviceSession } from "./session.ts";

const STATUS = PARTS.indexOf("status");
const MINUTE_MS = 60_000;

class PresenceMessage extends Inbound {
  readonly isAnswered = false;

  constructor({ publisher }: DeviceSession, online: boolean) {
    super(publisher, STATUS, Buffer.from(JSON.stringify({ online })));
  }

  finish(): void {}
}

interface Recent {
  readonly told: boolean;
  readonly timer: NodeJS.Timeout;
  session: DeviceSession;
  online: boolean;
}

export class Presence {
  readonly #admission: Pick<Admission, "submit">;
  readonly #counted: () => void;
  /** Told within the last minute. */
  readonly #recent = new Map<DeviceKey, Recent>();

  constructor(admission: Pick<Admission, "submit">, counted: () => void) {
    this.#admission = admission;
    this.#counted = counted;
  }

  is(session: DeviceSession, online: boolean): void {
    if (!session.presence) return;
    const recent = this.#recent.get(session.publisher.key);
    if (recent === undefined) this.#tell(session, online);
    else Object.assign(recent, { session, online });
  }

  stop(): void {
    for (const { timer } of this.#recent.values()) clearTimeout(timer);
    this.#recent.clear();
  }

  #tell(session: DeviceSession, online: boolean): void {
    const { key } = session.publisher;
    const timer = setTimeout(() => this.#minuteOver(key), MINUTE_MS);
    timer.unref();
    this.#recent.set(key, { told: online, timer, session, online });
    this.#counted();
    this.#admission.submit(new PresenceMessage(session, online));
  }

  #minuteOver(key: DeviceKey): void {
    const recent = this.#recent.get(key);
    this.#recent.delete(key);
    if (recent !== undefined && recent.online !== recent.told) this.#tell(recent.session, recent.online);
  }
}
