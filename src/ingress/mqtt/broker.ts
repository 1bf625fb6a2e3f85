/**
 * Aedes with the doors that matter closed: it lets clients in, keeps their time and lets them go, and nothing that is published
 * or subscribed to reaches it: no emitter, retained store, offline queue or `$SYS` packet. What devices publish goes to
 * admission; what services publish are commands and forecasts; what anybody hears is what the gateway itself says. To Aedes every client
 * speaks MQTT 3.1.1; what differs in MQTT 5 is in `v5`.
 */
import type { EventEmitter } from "node:events";
import { Aedes, type AuthenticateError, type Client } from "aedes";
import type { Dialect } from "../../dialects/compile.ts";
import type { TracePort } from "../../model/console.ts";
import type { Hint, HintedDevice } from "../../model/hint.ts";
import type { DeviceKey } from "../../model/ids.ts";
import type { SecurityEvent } from "../../model/outcome.ts";
import type { Admission } from "../admission/admission.ts";
import type { Notices } from "../devices/policy-notices.ts";
import type { PublicationReader } from "../dialects/publication-reader.ts";
import type { CommandOutcomes } from "../services/command-outcomes.ts";
import type { Commands } from "../services/commands.ts";
import type { ErasedTopics } from "../services/erased-topics.ts";
import type { FanOut } from "../services/fan-out.ts";
import type { ForecastTopics } from "../services/forecast-topics.ts";
import type { LateJoiners } from "../services/late-joiners.ts";
import type { NetworkNotices } from "../services/network-notices.ts";
import { type BrokerInternals, internals } from "./aedes-internals.ts";
import { ConnectedDevices } from "./connected-devices.ts";
import { Departures, type DeparturesPorts } from "./departures.ts";
import { endOrderly, sayWhy } from "./ends.ts";
import { LiveSessions, maySendLarge } from "./live-sessions.ts";
import type { Access } from "./login.ts";
import { Logins, loginRefused, MAX_CLIENT_ID_BYTES } from "./logins.ts";
import { openOutgoing } from "./outgoing.ts";
import { PacketReader } from "./packet-reader.ts";
import type { PacketLimits } from "./parser-checks.ts";
import { peer5 } from "./peers.ts";
import { Presence } from "./presence.ts";
import { Publishes } from "./publishes.ts";
import { ReceivedIds } from "./received-ids.ts";
import { RefusalReasons } from "./refusal-reasons.ts";
import { type DeviceSession, openSession, type Session, sessionOf } from "./session.ts";
import { Subscriptions } from "./subscriptions.ts";
import { deviceOf } from "./topics.ts";
import { Unfinished } from "./unfinished.ts";
import type { Served } from "./v5/peer.ts";

export interface BrokerOptions extends PacketLimits {
  readonly connectTimeoutMs: number;
  readonly maxKeepaliveS: number;
  readonly takeoversPerMinute: number;
  readonly maxSubscriptions: number;
  /** Whether a device that speaks MQTT 5 is told in the acknowledgement that there is no consent. */
  readonly tellConsent: boolean;
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
  readonly reader: PublicationReader;
  readonly hint: (device: HintedDevice, what: Hint) => void;
  readonly commands: Commands;
  readonly outcomes: CommandOutcomes;
  readonly fanOut: FanOut;
  readonly erased: ErasedTopics;
  readonly forecastTopics: ForecastTopics;
  readonly forecasts: { asked(): void };
  readonly networkNotices: Pick<NetworkNotices, "submit">;
  readonly joiners?: LateJoiners | undefined;
  readonly notices: Pick<Notices, "subscribed">;
  readonly backlogFull: () => boolean;
  readonly notWritable: () => boolean;
  /** Aedes has lost its footing. */
  readonly failed: (error: Error) => void;
  /** Absent: no device can be followed. */
  readonly followed?: TracePort | undefined;
  readonly observe: DeparturesPorts["observe"] & {
    connected(kind: "device" | "service", change: 1): void;
    loggedIn(version: "3.1.1" | "5"): void;
    /** A message of the gateway itself, that a device has come or gone. */
    presenceTold(): void;
  };
}

const HEARTBEAT_MS = 3_600_000;
type PublishDone = (error?: Error) => void;

/** What the two overrides below go on to. */
const ofAedes = Aedes.prototype as unknown as BrokerInternals;

export class GatewayBroker extends Aedes {
  readonly #options: BrokerOptions;
  readonly #ports: BrokerPorts;
  readonly #logins: Logins;
  readonly #live = new LiveSessions();
  /** What is said to devices. */
  readonly devices = new ConnectedDevices(this.#live);
  readonly #subscriptions: Subscriptions;
  readonly #publishes: Publishes;
  readonly #unfinished: Unfinished;
  readonly #presence: Presence;
  readonly #departures: Departures;
  readonly #letIn = new WeakMap<Client, () => void>();

  constructor(options: BrokerOptions, ports: BrokerPorts) {
    super({
      connectTimeout: options.connectTimeoutMs,
      drainTimeout: options.drainTimeoutMs,
      heartbeatInterval: HEARTBEAT_MS,
      maxClientsIdLength: MAX_CLIENT_ID_BYTES,
      maxTopicLevels: options.maxTopicLevels,
      preConnect: (client, packet, done) => {
        this.#logins.prepare(client, packet);
        done(null, true);
      },
      authenticate: (client, username, password, done) => {
        this.#authenticate(client, username, password, done).catch(() =>
          done(loginRefused(client, "unavailable"), null),
        );
      },
      // What a client publishes never comes this way, nor does what one hears.
      authorizePublish: (_client, _packet, done) => done(new Error("not a way in")),
      authorizeForward: () => null,
    });
    this.#options = options;
    this.#ports = ports;
    this.#logins = new Logins(options, { ...ports, live: this.#live });
    const refused = (kind: SecurityEvent): void => ports.observe.securityEvent(kind);
    const subscriptions = new Subscriptions(options, { ...ports, refused });
    this.#subscriptions = subscriptions;
    const received = new ReceivedIds({ perConnection: options.inFlightPerConnection, inAll: options.inFlightMessages });
    const foreign = (session: DeviceSession, topic: string): void => this.#foreign(session, topic);
    const reasons = new RefusalReasons(options.tellConsent);
    const publishes = new Publishes(options.maxTopicLevels, { ...ports, received, reasons, foreign });
    this.#publishes = publishes;
    this.#unfinished = new Unfinished(options.inFlightBytes);
    const presence = new Presence(ports.admission, () => ports.observe.presenceTold());
    this.#presence = presence;
    const ended = { live: this.#live, subscriptions, received, publishes, presence };
    this.#departures = new Departures({ ...ports, ...ended });
    // Right before Aedes ends the connection.
    this.on("keepaliveTimeout", (client) => sayWhy(client, "keep-alive"));
    // Aedes throws where no one listens.
    (this as EventEmitter).on("error", ports.failed);
    this.on("clientError", (client, error) => this.#departures.broken(client, error));
    this.on("connectionError", (client, error) => this.#departures.broken(client, error));
  }

  /** A new connection from a listener. The stream carries MQTT 3.1.1 or 5. `letIn` is called once it has logged in. */
  accept(stream: Parameters<Aedes["handle"]>[0], remoteAddress: string, letIn?: () => void): void {
    const client = this.handle(stream, { connDetails: { ipAddress: remoteAddress } } as never);
    openOutgoing(client, this.#options.drainTimeoutMs);
    if (letIn !== undefined) this.#letIn.set(client, letIn);
    stream.once("close", () => this.#departures.gone(client));
    new PacketReader(client, this.#options, {
      publish: (packet, done) => this.#withSession(client, (session) => this.#publishes.take(session, packet, done)),
      release: (messageId) => this.#withSession(client, (session) => this.#publishes.release(session, messageId)),
      subscribe: (packet, done) =>
        this.#withSession(client, (session) => this.#subscriptions.take(session, packet, done)),
      unsubscribe: (packet, done) =>
        this.#withSession(client, (session) => this.#subscriptions.takeBack(session, packet, done)),
      served: () => this.#served(client),
      oversize: () => this.#ports.observe.securityEvent("oversize"),
      maySendLarge: () => maySendLarge(sessionOf(client)),
      unfinished: this.#unfinished,
    });
  }

  /**
   * Takes nothing more from anyone, so that what is in flight can be finished and acknowledged. What a device would
   * leave behind now, because the gateway goes, is no news of the device: wills are dropped.
   */
  quiesce(): void {
    this.#departures.quiesce();
    this.#presence.stop();
    this.#publishes.quiesce();
    this.#ports.admission.flow.stop();
    for (const client of this.#clients()) internals(client).pause();
  }

  async stop(): Promise<void> {
    for (const client of this.#clients()) sayWhy(client, "stopping");
    await new Promise<void>((resolve) => this.close(resolve));
  }

  #served(client: Client): Served {
    const { inFlightPerConnection, maxPacketBytes, maxHubPacketBytes } = this.#options;
    const session = sessionOf(client);
    return {
      receiveMaximum: inFlightPerConnection,
      maximumPacketSize: maySendLarge(session) ? maxHubPacketBytes : maxPacketBytes,
      // What a device hears is its own.
      sharedSubscriptionAvailable: session?.kind === "service",
    };
  }

  /** Which devices are behind a hub has changed, or to whom they belong. */
  childrenChanged(hub: DeviceKey): void {
    // Anyone who logs in at this moment may have read what was before.
    this.#live.changed(hub);
    const session = this.#live.device(hub);
    // A hub whose devices are not known logs in again.
    session?.sender?.load().catch(() => endOrderly(session.client, "session-ended"));
  }

  /** Of one service, as they are now. */
  connectionsOf(service: string): number {
    return this.#live.ofService(service).size;
  }

  /** Ends whatever sessions a device has or is about to get, for instance after it was bound to another subject. */
  endDevice(key: DeviceKey): void {
    this.#live.end(key);
  }

  /** The same for every device: for when it may have gone unheard whose session was to end. They log in again. */
  endDevices(): void {
    this.#live.endDevices();
  }

  /** Devices whose dialect has changed log in again, and are read by the new one. */
  dialectsChanged(inForce: (dialect: Dialect) => boolean): void {
    this.#live.endSpeakers(inForce);
  }

  /**
   * Services have changed: those that are gone, or came with a token that is, are cut off with whatever has not left yet. What the
   * others may do is asked of them again each time.
   */
  servicesChanged(): void {
    this.#departures.servicesChanged();
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

  /** What Aedes itself would say, of who has come and gone: no one may hear it. */
  override publish(_packet: unknown, clientOrDone?: unknown, done?: unknown): void {
    const finished = (typeof clientOrDone === "function" ? clientOrDone : done) as PublishDone | undefined;
    finished?.();
  }

  async #authenticate(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): Promise<void> {
    const login = await this.#logins.login(client, username, password);
    if (login instanceof Error) return done(login, null);
    // The peer went away meanwhile: nothing begins, and no one is there to be told.
    if (client.closed || client.conn.destroyed) return;
    // Each kind in a name space of its own, so that none can evict another; a device under its id, whatever its client's is.
    internals(client).id = login.kind === "service" ? `service/${login.name}/${client.id}` : `device/${login.id}`;
    const refusal = login.kind === "service" ? this.#logins.refusalOf(login) : undefined;
    if (refusal !== undefined) return done(refusal, null);
    openSession(login);
    this.#letIn.get(client)?.();
    this.#departures.takenOver(this.#live.open(login));
    this.#ports.observe.connected(login.kind, 1);
    this.#ports.observe.loggedIn(peer5(client) === undefined ? "3.1.1" : "5");
    if (login.kind !== "device") return done(null, true);
    login.publisher.heard.at = Date.now();
    this.#ports.followed?.tell(login.publisher.key, { step: "session", outcome: "begun" });
    this.#presence.is(login, true);
    done(null, true);
  }

  /** A topic of someone who is not here says nothing: firmware publishes to many topics that are no one's. */
  #foreign(session: DeviceSession, topic: string): void {
    const id = deviceOf(topic);
    if (id === undefined || id === session.id || this.#live.device(this.#ports.access.deviceKey(id)) === undefined)
      return;
    this.#ports.observe.securityEvent("foreign-topic");
  }

  #withSession(client: Client, act: (session: Session) => void): void {
    const session = sessionOf(client);
    if (session === undefined) client.emit("error", new Error("no session"));
    else act(session);
  }
}
