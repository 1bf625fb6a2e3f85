/**
 * Every session from the moment its credential was found right to the close of its stream. A newer one of the same
 * device, or of the same client id of a service, ends those before it. Aedes' own table begins later, ends earlier and
 * holds one entry for each client id: two connections that come in one breath leave one of them outside it.
 */
import type { Dialect } from "../../dialects/compile.ts";
import type { DeviceKey, DeviceRef } from "../../model/ids.ts";
import { internals } from "./aedes-internals.ts";
import { endOrderly } from "./ends.ts";
import type { LoginRefusal } from "./login.ts";
import type { DeviceSession, ServiceSession, Session } from "./session.ts";

export class LiveSessions {
  readonly #byOwner = new Map<string, Set<Session>>();
  /** Those that may speak for other devices. */
  readonly #hubs = new Set<DeviceSession>();
  /** By the name of the service. */
  readonly #services = new Map<string, Set<ServiceSession>>();
  /** For each login in progress, what was ended since it began. */
  readonly #logins = new Set<{ readonly ended: Set<DeviceKey>; all: boolean }>();

  /** Refused when the device's sessions were ended meanwhile: the credential it was let in on may have been taken away. */
  async login(run: () => Promise<Session | LoginRefusal>): Promise<Session | LoginRefusal> {
    const login = { ended: new Set<DeviceKey>(), all: false };
    this.#logins.add(login);
    try {
      const answer = await run();
      if (typeof answer === "string" || answer.kind === "service") return answer;
      return login.all || login.ended.has(answer.publisher.key) ? "unavailable" : answer;
    } finally {
      this.#logins.delete(login);
    }
  }

  /** Those that were there before it, ended or about to be: what they leave behind comes before anything of this one. */
  open(session: Session): readonly Session[] {
    const owner = ownerOf(session);
    const sessions = this.#byOwner.get(owner) ?? new Set<Session>();
    const before = [...sessions];
    sessions.add(session);
    if (isHub(session)) this.#hubs.add(session);
    this.#byOwner.set(owner, sessions);
    if (session.kind === "service") this.#services.set(session.name, this.ofService(session.name).add(session));
    return before;
  }

  /** False when that is known already. */
  closed(session: Session): boolean {
    const owner = ownerOf(session);
    const sessions = this.#byOwner.get(owner);
    const was = sessions?.delete(session) === true;
    if (isHub(session)) this.#hubs.delete(session);
    if (sessions?.size === 0) this.#byOwner.delete(owner);
    if (session.kind === "service") {
      const ofService = this.ofService(session.name);
      ofService.delete(session);
      if (ofService.size === 0) this.#services.delete(session.name);
    }
    return was;
  }

  ofService(name: string): Set<ServiceSession> {
    return this.#services.get(name) ?? new Set();
  }

  services(): ServiceSession[] {
    return [...this.#services.values()].flatMap((sessions) => [...sessions]);
  }

  device(key: DeviceKey): DeviceSession | undefined {
    return newest(this.#byOwner.get(key));
  }

  /** The hub behind which a device is connected right now, as this subject's. */
  hubOf(device: DeviceRef): DeviceSession | undefined {
    for (const hub of this.#hubs) if (!hub.client.closed && hub.sender?.speaksFor(device) === true) return hub;
    return undefined;
  }

  devices(): DeviceSession[] {
    return [...this.eachDevice()];
  }

  /** One after the other, while sessions come and go. */
  *eachDevice(): Generator<DeviceSession> {
    for (const sessions of this.#byOwner.values()) {
      const session = newest(sessions);
      if (session !== undefined) yield session;
    }
  }

  end(key: DeviceKey): void {
    this.changed(key);
    for (const { client } of this.#byOwner.get(key) ?? []) endOrderly(client, "session-ended");
  }

  /** What a login of this device has read meanwhile may be out of date: it is refused, and comes again. */
  changed(key: DeviceKey): void {
    for (const login of this.#logins) login.ended.add(key);
  }

  /** Ends those that speak a dialect which is not in force any more, and logins that may have read one. */
  endSpeakers(inForce: (dialect: Dialect) => boolean): void {
    for (const login of this.#logins) login.all = true;
    for (const sessions of this.#byOwner.values())
      for (const session of sessions)
        if (session.kind === "device" && session.sender !== undefined && !inForce(session.sender.dialect))
          endOrderly(session.client, "session-ended");
  }

  endDevices(): void {
    for (const login of this.#logins) login.all = true;
    for (const sessions of this.#byOwner.values()) {
      for (const { kind, client } of sessions) if (kind === "device") endOrderly(client, "session-ended");
    }
  }
}

/** Whether the service is still there, and the token that it came with is good. */
export function mayStay({ service, token }: ServiceSession): boolean {
  return service.tokens.has(token);
}

export function maySendLarge(session: Session | undefined): boolean {
  return session?.kind === "device" && session.sender?.dialect.large === true;
}

function isHub(session: Session | undefined): session is DeviceSession {
  return session?.kind === "device" && session.sender?.dialect.hub === true;
}

/** The key of a device, or the client id of a service. */
export function ownerOf(session: Session): string {
  return session.kind === "device" ? session.publisher.key : internals(session.client).id;
}

function newest(sessions: ReadonlySet<Session> | undefined): DeviceSession | undefined {
  const last = [...(sessions ?? [])].at(-1);
  return last?.kind === "device" && !last.client.closed ? last : undefined;
}
