/** A device whose place is known, as forecasts are delivered to it: over its own connection, or over that of the hub that speaks for it. */
import type { DevicePlace, PlacedDevice } from "../../model/forecast.ts";
import type { DeviceRef } from "../../model/ids.ts";
import type { Publisher } from "../admission/publisher.ts";
import { say } from "./outgoing.ts";
import type { DeviceSession } from "./session.ts";
import { hears } from "./subscriptions.ts";
import { weatherTopic } from "./topics.ts";

class WeatherListener implements PlacedDevice {
  readonly #session: DeviceSession;
  readonly #publisher: Publisher;
  readonly ref: DeviceRef;
  readonly place: DevicePlace;

  constructor(session: DeviceSession, publisher: Publisher, ref: DeviceRef, place: DevicePlace) {
    this.#session = session;
    this.#publisher = publisher;
    this.ref = ref;
    this.place = place;
  }

  get hub(): DeviceRef | undefined {
    return this.#publisher.hub;
  }

  get listens(): boolean {
    return this.#heard() !== undefined;
  }

  tell(payload: Buffer): boolean {
    const heard = this.#isStill() ? this.#heard() : undefined;
    return heard !== undefined && say(this.#session.client, { ...heard, payload });
  }

  forget(): void {
    if (this.#publisher.place === this.place) this.#publisher.place = undefined;
  }

  /** It may have moved, gone or got another owner while consent was asked. */
  #isStill(): boolean {
    const { client, sender, publisher } = this.#session;
    if (client.closed || this.#publisher.place !== this.place) return false;
    return this.#publisher === publisher || sender?.speaksFor(this.ref) === true;
  }

  #heard(): { readonly topic: string; readonly qos: 0 | 1 } | undefined {
    const { sender, publisher, id } = this.#session;
    const mapped = sender?.weatherTopic(this.#publisher.key);
    // Firmware is sent nothing with more than QoS 0.
    if (mapped !== undefined && hears(this.#session, mapped) !== undefined) return { topic: mapped, qos: 0 };
    if (this.#publisher !== publisher) return undefined;
    const topic = weatherTopic(id);
    const qos = hears(this.#session, topic);
    return qos === undefined ? undefined : { topic, qos: qos === 0 ? 0 : 1 };
  }
}

/** Every device of these sessions whose place is known, while sessions come and go. */
export function* placedIn(sessions: Iterable<DeviceSession>): Generator<PlacedDevice> {
  for (const session of sessions) {
    for (const publisher of speakersOf(session)) {
      const { ref, place } = publisher;
      if (ref !== undefined && place !== undefined) yield new WeatherListener(session, publisher, ref, place);
    }
  }
}

function* speakersOf({ publisher, sender }: DeviceSession): Generator<Publisher> {
  yield publisher;
  if (sender !== undefined) yield* sender.children;
}
