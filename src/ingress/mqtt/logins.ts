/**
 * From CONNECT to CONNACK: what is taken out of the packet before Aedes could keep it, who is let in, and with which
 * return code a client that is not.
 */
import type { AuthenticateError, Client, ConnectPacket } from "aedes";
import type { Hint, HintedDevice } from "../../model/hint.ts";
import type { ConnectionRefusal, SecurityEvent } from "../../model/outcome.ts";
import { perMinute, type Rates } from "../../platform/rate.ts";
import { internals } from "./aedes-internals.ts";
import { type LiveSessions, mayStay, ownerOf } from "./live-sessions.ts";
import type { Access, Login, LoginRefusal } from "./login.ts";
import { peer5 } from "./peers.ts";
import { TOO_LONG } from "./rules/strings.ts";
import type { ServiceSession, Session, Will } from "./session.ts";
import { LOGIN_CODES } from "./v5/reason-codes.ts";

export interface LoginsPorts {
  readonly access: Access;
  readonly live: LiveSessions;
  readonly backlogFull: () => boolean;
  readonly notWritable: () => boolean;
  readonly hint: (device: HintedDevice, what: Hint) => void;
  readonly observe: {
    connectionRefused(reason: ConnectionRefusal): void;
    securityEvent(kind: SecurityEvent): void;
  };
}

/**
 * A client that is let in now could get nothing acknowledged, and would come back for that again and again; or ended a connection that
 * would do the same to his.
 */
type Overload = Extract<ConnectionRefusal, "backlog" | "not-writable" | "too-many-takeovers" | "too-many-of-service">;

/** CONNACK return codes [MQTT-3.2.2.3]. */
const RETURN_CODES: Readonly<Record<LoginRefusal | Overload, 2 | 3 | 4>> = {
  "bad-credentials": 4,
  "unusable-client-id": 2,
  "too-many-failures": 3,
  unavailable: 3,
  backlog: 3,
  "not-writable": 3,
  "too-many-takeovers": 3,
  "too-many-of-service": 3,
};

/** As long as a device id may be; MQTT 3.1.1 asks for 23 [MQTT-3.1.3-5]. */
export const MAX_CLIENT_ID_BYTES = 128;

export interface LoginsOptions {
  readonly maxKeepaliveS: number;
  readonly takeoversPerMinute: number;
}

const REMEMBERED_TAKEOVERS = 100_000;

export class Logins {
  readonly #maxKeepaliveS: number;
  /** By device. */
  readonly #takeovers: Rates;
  readonly #ports: LoginsPorts;
  readonly #wills = new WeakMap<Client, Will>();
  readonly #unnameable = new WeakSet<Client>();

  constructor({ maxKeepaliveS, takeoversPerMinute }: LoginsOptions, ports: LoginsPorts) {
    this.#maxKeepaliveS = maxKeepaliveS;
    this.#takeovers = perMinute(takeoversPerMinute, REMEMBERED_TAKEOVERS);
    this.#ports = ports;
  }

  /** Changes the packet into what Aedes may see of it. */
  prepare(client: Client, packet: ConnectPacket): void {
    // Aedes would store the will, raw. It waits here instead, and only a device's own will is ever used.
    const { will } = packet;
    if (will !== undefined && will !== null) {
      // A copy: the packet's own bytes are a part of whatever was read with them.
      this.#wills.set(client, { topic: will.topic, payload: Buffer.from(will.payload) });
      delete packet.will;
    }
    // A client id is the server's to choose only for a session that is not kept [MQTT-3.1.3-8].
    const nameless = packet.clientId.length === 0 && !packet.clean;
    const long = packet.clientId === TOO_LONG || Buffer.byteLength(packet.clientId) > MAX_CLIENT_ID_BYTES;
    if (nameless || long) this.#unnameable.add(client);
    // No session outlives its connection: an offline queue would hold data past a withdrawal.
    packet.clean = true;
    // Aedes would refuse a longer keepalive with a return code that MQTT 3.1.1 does not have.
    if (packet.keepalive && packet.keepalive <= this.#maxKeepaliveS) return;
    packet.keepalive = this.#maxKeepaliveS;
    const peer = peer5(client);
    if (peer !== undefined) peer.serverKeepAlive = this.#maxKeepaliveS;
  }

  /** The session of a client that is let in, or the error that Aedes answers with. Never rejects. */
  async login(client: Client, username = "", password?: Buffer): Promise<Session | AuthenticateError> {
    const will = this.#wills.get(client);
    this.#wills.delete(client);
    if (this.#unnameable.has(client)) return this.#refused(client, "unusable-client-id");
    const { access, live, observe } = this.#ports;
    const login: Login = {
      client,
      clientId: client.id,
      username,
      password: password?.toString("utf8") ?? "",
      remoteAddress: internals(client).connDetails?.ipAddress ?? "",
      will,
    };
    const answer = await live.login(() => access.login(login)).catch((): LoginRefusal => "unavailable");
    if (typeof answer === "string") return this.#refused(client, answer);
    const overload = this.#overload(answer);
    if (overload !== undefined) return this.#refused(client, overload);
    if (answer.kind === "service" && will !== undefined) observe.securityEvent("service-will");
    return answer;
  }

  /**
   * Asked in the same breath in which the session begins: the service may have been removed since its token was looked at, and
   * others of it may have come. `undefined`: let it in.
   */
  refusalOf(session: ServiceSession): AuthenticateError | undefined {
    if (!mayStay(session)) return this.#refused(session.client, "bad-credentials");
    const owner = ownerOf(session);
    const others = [...this.#ports.live.ofService(session.name)].filter((other) => ownerOf(other) !== owner);
    if (others.length < session.service.entry.maxConnections) return undefined;
    return this.#refused(session.client, "too-many-of-service");
  }

  #refused(client: Client, reason: LoginRefusal | Overload): AuthenticateError {
    const { observe } = this.#ports;
    observe.connectionRefused(reason);
    if (reason === "bad-credentials" || reason === "unusable-client-id") observe.securityEvent("failed-login");
    return loginRefused(client, reason);
  }

  #overload(session: Session): Overload | undefined {
    if (session.kind !== "device") return undefined;
    if (this.#ports.notWritable()) return "not-writable";
    if (this.#ports.backlogFull()) return "backlog";
    const { key } = session.publisher;
    if (this.#ports.live.device(key) === undefined) return undefined;
    const now = Date.now();
    if (this.#takeovers.bucket(key, now).take(now)) return undefined;
    this.#ports.hint(session.publisher, { reason: "takeover" });
    return "too-many-takeovers";
  }
}

/** The error with which Aedes sends the return code; a client of MQTT 5 is told more closely why. */
export function loginRefused(client: Client, reason: LoginRefusal | Overload): AuthenticateError {
  const peer = peer5(client);
  if (peer !== undefined) peer.refusal = { code: LOGIN_CODES[reason], reason };
  return Object.assign(new Error(reason), { returnCode: RETURN_CODES[reason] }) as AuthenticateError;
}
