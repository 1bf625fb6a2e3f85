/**
 * Aedes with the doors that matter closed: a packet that came from a client never reaches the
 * emitter, the retained store, an offline queue or a subscriber, and no `$SYS` packet exists at all.
 * What devices publish goes to admission; what services publish are commands; what subscribers get
 * is what the gateway itself says.
 */
import type { EventEmitter } from "node:events";
import { Aedes, type AuthenticateError, type Client, type ConnectPacket, type Subscription } from "aedes";
import type { DeviceId, DeviceKey, DeviceRef } from "../model/ids.ts";
import type { ConnectionRefusal, SecurityEvent } from "../model/outcome.ts";
import type { Access, LoginRefusal } from "./access.ts";
import type { Admission } from "./admission.ts";
import { type BrokerInternals, internals } from "./aedes-internals.ts";
import { attemptOfWill } from "./attempt.ts";
import { breachOf } from "./breaches.ts";
import type { Commands } from "./commands.ts";
import type { ErasedTopics } from "./erased-topics.ts";
import type { FanOut } from "./fan-out.ts";
import type { Flow } from "./flow.ts";
import { LiveSessions } from "./live-sessions.ts";
import { type PacketLimits, PacketReader } from "./packet-reader.ts";
import { Publishes } from "./publishes.ts";
import { ReceivedIds } from "./received-ids.ts";
import { openSession, type Session, sessionOf, type Will } from "./session.ts";
import { mayReceive, Subscriptions } from "./subscriptions.ts";
import { Unfinished } from "./unfinished.ts";
import { TOO_LONG } from "./well-formed.ts";

export interface BrokerOptions extends PacketLimits {
  readonly connectTimeoutMs: number;
  readonly maxKeepaliveS: number;
  readonly maxTopicLevels: number;
  readonly maxSubscriptions: number;
  /** QoS 2 messages without PUBREL on all connections. */
  readonly inFlightMessages: number;
  /** Parts of packets whose rest is awaited, on all connections. */
  readonly inFlightBytes: number;
  /** Above 0: to Aedes that would mean never. */
  readonly drainTimeoutMs: number;
}

export interface BrokerPorts {
  readonly access: Access;
  readonly admission: Admission;
  readonly commands: Commands;
  readonly fanOut: FanOut;
  readonly erased: ErasedTopics;
  readonly flow: Flow;
  readonly backlogFull: () => boolean;
  readonly notWritable: () => boolean;
  /** Aedes has lost its footing. */
  readonly failed: (error: Error) => void;
  readonly observe: {
    connected(kind: "device" | "service", change: 1 | -1): void;
    connectionRefused(reason: ConnectionRefusal): void;
    securityEvent(kind: SecurityEvent): void;
  };
}

/** Whoever is let in now could get nothing acknowledged, and would come back for that again and again. */
type Overload = Extract<ConnectionRefusal, "backlog" | "not-writable">;

/** CONNACK return codes [MQTT-3.2.2.3]. */
const RETURN_CODES: Readonly<Record<LoginRefusal | Overload, 2 | 3 | 4>> = {
  "bad-credentials": 4,
  "foreign-client-id": 2,
  "too-many-failures": 3,
  unavailable: 3,
  backlog: 3,
  "not-writable": 3,
};

const HEARTBEAT_MS = 3_600_000;
/** Commands and notices on their way to one connection. */
const MAX_UNSENT_BYTES = 128 * 1024;
/** As long as a device id may be; MQTT 3.1.1 asks for 23 [MQTT-3.1.3-5]. */
const MAX_CLIENT_ID_BYTES = 128;

type PublishDone = (error?: Error) => void;

/** What the two overrides below go on to. */
const ofAedes = Aedes.prototype as unknown as BrokerInternals;

export class GatewayBroker extends Aedes {
  readonly #options: BrokerOptions;
  readonly #ports: BrokerPorts;
  readonly #wills = new WeakMap<Client, Will>();
  readonly #unnameable = new WeakSet<Client>();
  readonly #loggedIn = new WeakMap<Client, () => void>();
  readonly #live = new LiveSessions();
  readonly #subscriptions: Subscriptions;
  readonly #received: ReceivedIds;
  readonly #publishes: Publishes;
  readonly #unfinished: Unfinished;
  #quiet = false;

  constructor(options: BrokerOptions, ports: BrokerPorts) {
    super({
      connectTimeout: options.connectTimeoutMs,
      drainTimeout: options.drainTimeoutMs,
      heartbeatInterval: HEARTBEAT_MS,
      maxClientsIdLength: MAX_CLIENT_ID_BYTES,
      maxTopicLevels: options.maxTopicLevels,
      preConnect: (client, packet, done) => this.#preConnect(client, packet, done),
      authenticate: (client, username, password, done) => {
        this.#authenticate(client, username, password, done).catch(() => done(refusalError("unavailable"), null));
      },
      // What a client publishes never comes this way.
      authorizePublish: (_client, _packet, done) => done(new Error("not a way in")),
      authorizeSubscribe: (client, subscription, done) => this.#authorizeSubscribe(client, subscription, done),
      authorizeForward: (client, packet) => (this.#mayForward(client, packet.topic) ? packet : null),
    });
    this.#options = options;
    this.#ports = ports;
    this.#subscriptions = new Subscriptions(options.maxSubscriptions, ports);
    this.#received = new ReceivedIds({ perConnection: options.inFlightPerConnection, inAll: options.inFlightMessages });
    const retain = (): void => ports.observe.securityEvent("retain");
    this.#publishes = new Publishes(options.maxTopicLevels, { ...ports, received: this.#received, retain });
    this.#unfinished = new Unfinished(options.inFlightBytes);
    this.on("unsubscribe", (filters, client) => {
      const session = sessionOf(client);
      if (session !== undefined) this.#subscriptions.end(session, filters);
    });
    // Aedes throws where nobody listens.
    (this as EventEmitter).on("error", ports.failed);
    // What goes wrong on one connection ends that connection.
    this.on("clientError", (client, error) => this.#broken(client, error));
    this.on("connectionError", (client, error) => this.#broken(client, error));
  }

  /** A new connection from a listener. The stream carries MQTT 3.1.1. `loggedIn` is called when it is known who is there. */
  accept(stream: Parameters<Aedes["handle"]>[0], remoteAddress: string, loggedIn: () => void = () => undefined): void {
    const client = this.handle(stream, { connDetails: { ipAddress: remoteAddress } } as never);
    this.#loggedIn.set(client, loggedIn);
    stream.once("close", () => this.#gone(client));
    new PacketReader(client, this.#options, {
      publish: (packet, settled) =>
        this.#withSession(client, (session) => this.#publishes.take(session, packet, settled)),
      release: (messageId) => this.#withSession(client, (session) => this.#publishes.release(session, messageId)),
      oversize: () => this.#ports.observe.securityEvent("oversize"),
      unfinished: this.#unfinished,
    });
  }

  /**
   * Takes nothing more from anyone, so that what is in flight can settle and be acknowledged. What a device would
   * leave behind now, because the gateway goes, is no news of the device: wills are dropped.
   */
  quiesce(): void {
    this.#quiet = true;
    this.#publishes.quiesce();
    this.#ports.flow.stop();
    for (const client of this.#clients()) internals(client).pause();
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.close(resolve));
  }

  /** The id under which a device is connected right now; not while somebody else has it. */
  connectedDevice({ deviceKey, subjectTag }: DeviceRef): DeviceId | undefined {
    const session = this.#live.device(deviceKey);
    return session?.ref?.subjectTag === subjectTag ? session.id : undefined;
  }

  /** Every device that is connected right now and bound to a subject. */
  connectedDevices(): { readonly ref: DeviceRef; readonly id: DeviceId }[] {
    return this.#live.devices().flatMap(({ ref, id }) => (ref === undefined ? [] : [{ ref, id }]));
  }

  /** Ends whatever sessions a device has or is about to get, for instance after it was bound to another subject. */
  endDevice(key: DeviceKey): void {
    this.#live.end(key);
  }

  /** The same for every device: for when it may have gone unheard whose session was to end. They log in anew. */
  endDevices(): void {
    this.#live.endDevices();
  }

  /** Called by Aedes for a client that was let in, also when it has closed since: it must not take the place of the next. */
  registerClient(client: Client): void {
    if (!client.closed) ofAedes.registerClient.call(this, client);
  }

  /** Called by Aedes once a client has closed, however late: by then its place may be another's. */
  unregisterClient(client: Client): void {
    if ((this as unknown as BrokerInternals).clients[client.id] === client) ofAedes.unregisterClient.call(this, client);
  }

  #clients(): Client[] {
    return Object.values((this as unknown as BrokerInternals).clients);
  }

  /** Only the gateway's own packets go further than this. */
  override publish(packet: unknown, clientOrDone?: unknown, done?: unknown): void {
    const fromClient = typeof clientOrDone === "object" && clientOrDone !== null;
    const finished = (typeof clientOrDone === "function" ? clientOrDone : done) as PublishDone | undefined;
    if (fromClient || (packet as { topic: string }).topic.startsWith("$")) {
      finished?.();
      return;
    }
    super.publish(packet as Parameters<Aedes["publish"]>[0], finished ?? (() => undefined));
  }

  #preConnect(client: Client, packet: ConnectPacket, done: (error: Error | null, success: boolean) => void): void {
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
    const limit = this.#options.maxKeepaliveS;
    if (!packet.keepalive || packet.keepalive > limit) packet.keepalive = limit;
    done(null, true);
  }

  async #authenticate(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): Promise<void> {
    const attempt = {
      client,
      clientId: client.id,
      username: username ?? "",
      password: password?.toString("utf8") ?? "",
      remoteAddress: internals(client).connDetails?.ipAddress ?? "",
      will: this.#wills.get(client),
    };
    this.#wills.delete(client);
    const unnameable = this.#unnameable.has(client);
    const login = unnameable ? "foreign-client-id" : await this.#live.login(() => this.#ports.access.login(attempt));
    const refusal = typeof login === "string" ? login : this.#overloaded(login);
    if (refusal !== undefined || typeof login === "string") {
      const reason = refusal ?? "bad-credentials";
      this.#ports.observe.connectionRefused(reason);
      if (reason === "bad-credentials" || reason === "foreign-client-id")
        this.#ports.observe.securityEvent("failed-login");
      done(refusalError(reason), null);
      return;
    }
    // The peer went away meanwhile: nothing begins, and nobody is there to be told.
    if (client.closed || client.conn.destroyed) return;
    this.#loggedIn.get(client)?.();
    // A service gets a client id of its own name space, so that it can never evict a device.
    if (login.kind === "service") internals(client).id = `service/${login.name}/${client.id}`;
    openSession(login);
    this.#takeOver(this.#live.open(login));
    if (login.kind === "service" && attempt.will !== undefined) this.#ports.observe.securityEvent("service-will");
    this.#ports.observe.connected(login.kind, 1);
    done(null, true);
  }

  /**
   * Ends the sessions that a new one replaces [MQTT-3.1.4-2], with all they leave behind: the will of the old one is
   * on its way before the first message of the new one is read.
   */
  #takeOver(before: readonly Session[]): void {
    const living = before.filter(({ client }) => !client.closed);
    if (living.length > 0) this.#ports.observe.securityEvent("takeover");
    for (const { client } of living) client.close();
    for (const { client } of before) this.#gone(client);
  }

  #overloaded(session: Session): Overload | undefined {
    if (session.kind !== "device") return undefined;
    if (this.#ports.notWritable()) return "not-writable";
    return this.#ports.backlogFull() ? "backlog" : undefined;
  }

  #withSession(client: Client, act: (session: Session) => void): void {
    const session = sessionOf(client);
    if (session === undefined) client.emit("error", new Error("no session"));
    else act(session);
  }

  /** One that does not read what it is sent misses what comes: it is not kept for it. */
  #mayForward(client: Client, topic: string): boolean {
    return mayReceive(sessionOf(client), topic) && client.conn.writableLength <= MAX_UNSENT_BYTES;
  }

  #authorizeSubscribe(
    client: Client,
    subscription: Subscription,
    done: (error: Error | null, subscription?: Subscription | null) => void,
  ): void {
    const session = sessionOf(client);
    const refusal = session === undefined ? "acl-denied" : this.#subscriptions.begin(session, subscription);
    if (refusal !== undefined) this.#ports.observe.securityEvent(refusal);
    done(null, refusal === undefined ? subscription : null);
  }

  #gone(client: Client): void {
    const session = sessionOf(client);
    if (session === undefined || !this.#live.closed(session)) return;
    this.#ports.observe.connected(session.kind, -1);
    this.#subscriptions.closed(session);
    this.#received.closed(session);
    if (session.kind === "service") return;
    this.#ports.flow.closed(session);
    if (session.will !== undefined && !internals(client)._disconnected && !this.#quiet) {
      this.#ports.admission.submit(attemptOfWill(session, session.will.topic, session.will.payload));
    }
  }

  #broken(client: Client, error: Error): void {
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

function refusalError(reason: LoginRefusal | Overload): AuthenticateError {
  return Object.assign(new Error(reason), { returnCode: RETURN_CODES[reason] }) as AuthenticateError;
}
