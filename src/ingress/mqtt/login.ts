/**
 * Who may connect. A device proves itself with its own token, under whatever client id its firmware chose; a service
 * proves itself with a token that names its purposes. The right token is always let in: it cannot be guessed, so
 * that a stranger's failures under its name or from its address change nothing for it. Failed logins are counted by
 * remote address and user name and, far higher, by address alone, and above a limit answered otherwise; both are
 * kept in memory only.
 */
import type { Client } from "aedes";
import type { Dialect } from "../../dialects/compile.ts";
import { type AliasMac, DeviceId, type DeviceKey, type SubjectTag } from "../../model/ids.ts";
import type { ConnectionRefusal } from "../../model/outcome.ts";
import type { ServicePurpose } from "../../model/purposes.ts";
import { addressGroup } from "../../platform/address-group.ts";
import type { Rates, TokenBucket } from "../../platform/rate.ts";
import { connectionOf, type Publisher, publisherOf } from "../admission/publisher.ts";
import { DialectSender, type SenderPorts } from "../dialects/sender.ts";
import type { Services } from "../services/connection.ts";
import { internals } from "./aedes-internals.ts";
import { say } from "./outgoing.ts";
import { peer5 } from "./peers.ts";
import { processedPacket5 } from "./processed-packet.ts";
import type { DeviceSession, ServiceSession, Will } from "./session.ts";
import { publishTopics } from "./topics.ts";
import type { Peer5 } from "./v5/peer.ts";

export type LoginRefusal = Extract<
  ConnectionRefusal,
  "bad-credentials" | "unusable-client-id" | "too-many-failures" | "unavailable"
>;

export interface Login {
  readonly client: Client;
  readonly clientId: string;
  readonly username: string;
  readonly password: string;
  readonly remoteAddress: string;
  readonly will: Will | undefined;
}

/** What a credential says of its device. */
interface Binding {
  readonly subjectTag: SubjectTag | undefined;
  /** This gateway was the last to tell differences of the device's counters. */
  readonly holds: boolean;
  /** The dialect it speaks; absent: the native contract. */
  readonly dialect?: string | undefined;
  /** What it calls itself there; absent: its id. */
  readonly alias?: AliasMac | undefined;
  readonly presence?: boolean;
}

export interface AccessPorts extends Pick<SenderPorts, "aliasMac" | "children" | "heard"> {
  deviceKey(device: DeviceId): DeviceKey;
  /** Throws when this gateway has none of that name. */
  dialect(name: string): Dialect;
  /** The device's binding when the token is right. Rejects when the credential store does not answer. */
  verify(device: DeviceKey, token: string): Promise<Binding | undefined>;
}

export interface LoginRates {
  /** Messages of a device; by its key. */
  readonly publishes: Rates;
  /** Topic filters of those who are connected; by device key or client id of a service. */
  readonly subscriptions: Rates;
  /** Failed logins; by remote address and user name. */
  readonly failures: Rates;
  /** Failed logins; by remote address, whatever the names. */
  readonly failuresOfAddress: Rates;
}

export class Access {
  readonly #services: Services;
  readonly #rates: LoginRates;
  readonly #ports: AccessPorts;

  constructor(services: Services, rates: LoginRates, ports: AccessPorts) {
    this.#services = services;
    this.#rates = rates;
    this.#ports = ports;
  }

  deviceKey(device: DeviceId): DeviceKey {
    return this.#ports.deviceKey(device);
  }

  async login(login: Login): Promise<DeviceSession | ServiceSession | LoginRefusal> {
    const now = Date.now();
    // A service may come by a name that a device has already; whose token it is tells them apart.
    const service = this.#services.login(login.username, login.password);
    const session = service === undefined ? await this.#device(login, now) : this.#service(login, service, now);
    return session === "bad-credentials" ? this.#failed(login, now) : session;
  }

  #failed({ remoteAddress, username }: Login, now: number): "bad-credentials" | "too-many-failures" {
    const from = addressGroup(remoteAddress);
    const ofAddress = this.#rates.failuresOfAddress.bucket(from, now);
    // First, so that an address beyond its limit adds no more names to the table.
    if (!ofAddress.peek(now)) return "too-many-failures";
    const ofName = this.#rates.failures.bucket(`${from} ${this.#known(username)}`, now);
    if (!ofName.take(now)) return "too-many-failures";
    ofAddress.take(now);
    return "bad-credentials";
  }

  /** A name that could be someone's; all others are one, so that the table holds no text of a stranger's length. */
  #known(username: string): string {
    return this.#services.has(username) ? username : (DeviceId(username) ?? "");
  }

  async #device(login: Login, now: number): Promise<DeviceSession | LoginRefusal> {
    const id = DeviceId(login.username);
    if (id === undefined) return "bad-credentials";
    const key = this.#ports.deviceKey(id);
    let credential: Binding | undefined;
    try {
      credential = await this.#ports.verify(key, login.password);
    } catch {
      return "unavailable";
    }
    if (credential === undefined) return "bad-credentials";
    const { subjectTag, holds, presence = false } = credential;
    const { client, will } = login;
    const ref = subjectTag && { deviceKey: key, subjectTag };
    const bucket = this.#rates.publishes.bucket(key, now);
    const heard = ref && this.#ports.heard(ref);
    const publisher = publisherOf(id, { key, ref, bucket, holds, heard }, connectionOf(internals(client)));
    let sender: DialectSender | undefined;
    try {
      sender = await this.#sender(id, credential, publisher);
    } catch {
      return "unavailable";
    }
    return {
      kind: "device",
      client,
      id,
      publisher,
      topics: publishTopics(id),
      sender,
      presence: presence && sender?.dialect.carried !== true,
      filters: new Map(),
      subscribing: this.#rates.subscriptions.bucket(key, now),
      will,
    };
  }

  async #sender(id: DeviceId, { dialect, alias }: Binding, own: Publisher): Promise<DialectSender | undefined> {
    if (dialect === undefined) return undefined;
    const { aliasMac, children, heard } = this.#ports;
    const bucket = (device: DeviceKey): TokenBucket => this.#rates.publishes.bucket(device, Date.now());
    const sender = new DialectSender(
      this.#ports.dialect(dialect),
      { id, alias, own },
      { aliasMac, children, bucket, heard },
    );
    await sender.load();
    return sender;
  }

  #service(
    login: Login,
    { service, token }: NonNullable<ReturnType<Services["login"]>>,
    now: number,
  ): ServiceSession | LoginRefusal {
    if (login.clientId === "") return "unusable-client-id";
    const { client } = login;
    const peer = peer5(client);
    return {
      kind: "service",
      client,
      name: service.name,
      id: login.clientId,
      service,
      token,
      get purposes() {
        // Of a token that was revoked nothing is taken, also while its connection is still being ended.
        return service.tokens.has(token) ? service.purposes : NO_PURPOSES;
      },
      get told() {
        return service.told;
      },
      mayPublish: () => service.mayPublish(Date.now()),
      filters: new Map(),
      subscribing: this.#rates.subscriptions.bucket(`service/${service.name}/${login.clientId}`, now),
      form: peer === undefined ? (packet) => packet : (packet) => taken(peer, processedPacket5(packet)),
      send: (topic, payload, qos) => void say(client, { topic, payload, qos }),
    };
  }
}

const NO_PURPOSES: ReadonlySet<ServicePurpose> = new Set();

/** The packet, where the client takes one of its size [MQTT-3.1.2-24]. */
function taken(peer: Peer5, packet: Buffer): Buffer | undefined {
  return peer.takes(packet.length) ? packet : undefined;
}
