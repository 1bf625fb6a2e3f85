/** How sessions end: by themselves, replaced by a newer one, cut off, or broken; and what each leaves behind. */
import type { Client } from "aedes";
import type { TracePort } from "../../model/console.ts";
import type { ConnectionRefusal, SecurityEvent } from "../../model/outcome.ts";
import type { Admission } from "../admission/admission.ts";
import { internals } from "./aedes-internals.ts";
import { breachOf, endOrderly } from "./ends.ts";
import { type LiveSessions, mayStay } from "./live-sessions.ts";
import type { Presence } from "./presence.ts";
import type { Publishes } from "./publishes.ts";
import type { ReceivedIds } from "./received-ids.ts";
import { type Session, sessionOf } from "./session.ts";
import type { Subscriptions } from "./subscriptions.ts";

export interface DeparturesPorts {
  readonly live: LiveSessions;
  readonly subscriptions: Pick<Subscriptions, "closed">;
  readonly received: Pick<ReceivedIds, "closed">;
  readonly publishes: Pick<Publishes, "will">;
  readonly presence: Pick<Presence, "is">;
  readonly admission: Pick<Admission, "flow">;
  /** Absent: no device can be followed. */
  readonly followed?: TracePort | undefined;
  readonly observe: {
    connected(kind: "device" | "service", change: -1): void;
    connectionRefused(reason: ConnectionRefusal): void;
    securityEvent(kind: SecurityEvent): void;
    /** A service, or the token it came with, is no longer good. */
    serviceEnded(): void;
  };
}

export class Departures {
  readonly #ports: DeparturesPorts;
  #quiet = false;

  constructor(ports: DeparturesPorts) {
    this.#ports = ports;
  }

  /** From here on it is the gateway that goes: that a device is cut off is no news of the device. */
  quiesce(): void {
    this.#quiet = true;
  }

  gone(client: Client): void {
    const { live, observe, subscriptions, received, admission, publishes, presence } = this.#ports;
    const session = sessionOf(client);
    if (session === undefined || !live.closed(session)) return;
    observe.connected(session.kind, -1);
    subscriptions.closed(session);
    received.closed(session);
    if (session.kind === "service") return;
    this.#ports.followed?.tell(session.publisher.key, { step: "session", outcome: "ended" });
    admission.flow.gone(session.publisher.connection);
    const isUnclean = !internals(client)._disconnected && !this.#quiet;
    if (!isUnclean) return;
    if (session.will !== undefined) publishes.will(session, session.will);
    // Where another connection of it has come, it is still there.
    if (live.device(session.publisher.key) === undefined) presence.is(session, false);
  }

  /**
   * Ends the sessions that a new one replaces [MQTT-3.1.4-2], with all they leave behind: the will of the old one is
   * taken before the first message of the new one is read.
   */
  takenOver(before: readonly Session[]): void {
    const living = before.filter(({ client }) => !client.closed);
    if (living.length > 0) this.#ports.observe.securityEvent("takeover");
    for (const { client } of living) endOrderly(client, "taken-over");
    for (const { client } of before) this.gone(client);
  }

  /** Services that are gone, or came with a token that is, are cut off with whatever has not left yet. */
  servicesChanged(): void {
    for (const session of this.#ports.live.services()) {
      if (mayStay(session)) continue;
      const { client } = session;
      if (!client.closed) this.#ports.observe.serviceEnded();
      if (client.conn.writableLength === 0) endOrderly(client, "not-authorized");
      else client.conn.destroy();
      this.gone(client);
    }
  }

  /** What goes wrong on one connection ends that connection; here it is counted. */
  broken(client: Client, error: Error): void {
    const { observe } = this.#ports;
    const breach = breachOf(error);
    if (sessionOf(client) !== undefined) {
      if (breach !== undefined) observe.securityEvent(breach);
      return;
    }
    if (breach === "oversize") observe.securityEvent("oversize");
    // A refused login is counted as that.
    if (client.id === null || (breach !== undefined && !("errorCode" in error))) observe.connectionRefused("protocol");
  }
}
