/** Wires ingress: from the socket to the PUBACK, and what devices and services receive in return. */
import { Admission, type AdmissionOptions, type AdmissionPorts } from "../ingress/admission/admission.ts";
import { LastHeard } from "../ingress/admission/last-heard.ts";
import { Notices, type NoticesPorts } from "../ingress/devices/policy-notices.ts";
import { Refusals } from "../ingress/devices/refusals.ts";
import { DialectCounts } from "../ingress/dialects/dialect-counts.ts";
import { PublicationReader } from "../ingress/dialects/publication-reader.ts";
import { Trial } from "../ingress/dialects/trial.ts";
import { type BrokerPorts, GatewayBroker } from "../ingress/mqtt/broker.ts";
import { type Certificate, Listeners } from "../ingress/mqtt/listeners.ts";
import { Access } from "../ingress/mqtt/login.ts";
import { CommandOutcomes } from "../ingress/services/command-outcomes.ts";
import { Commands, type CommandsPorts } from "../ingress/services/commands.ts";
import type { Services } from "../ingress/services/connection.ts";
import { ErasedTopics, type ErasedTopicsPorts } from "../ingress/services/erased-topics.ts";
import type { FanOut } from "../ingress/services/fan-out.ts";
import { ForecastTopics } from "../ingress/services/forecast-topics.ts";
import { NetworkNotices } from "../ingress/services/network-notices.ts";
import type { TracePort } from "../model/console.ts";
import { GatewayError } from "../model/errors.ts";
import type { PlacedDevice } from "../model/forecast.ts";
import type { Hint, HintedDevice } from "../model/hint.ts";
import type { CellId, DeviceId, DeviceKey, DeviceRef } from "../model/ids.ts";
import type { Seen } from "../model/seen.ts";
import type { TrialOutcome } from "../model/trial.ts";
import type { Part } from "../platform/lifecycle.ts";
import { perMinute, Rates } from "../platform/rate.ts";
import type { Addressable } from "./addressable.ts";
import type { Base } from "./base.ts";
import type { Consent } from "./consent.ts";
import type { Forecasts } from "./forecasts.ts";

export interface IngressDeps extends Pick<AdmissionPorts, "checkConsent" | "enqueue" | "writableAgain" | "traces"> {
  readonly backlogFull: () => boolean;
  readonly notWritable: () => boolean;
  readonly consent: Pick<Consent, "lookup" | "credentials" | "hubs">;
  readonly addressable: Pick<Addressable, "scene" | "network">;
  readonly joiners: BrokerPorts["joiners"];
  readonly fanOut: FanOut;
  readonly services: Services;
  readonly allowsCommand: CommandsPorts["allowed"];
  readonly erasures: Pick<ErasedTopicsPorts, "acknowledged" | "listening">;
  readonly notices: Pick<NoticesPorts, "standings" | "policyChange">;
  readonly forecasts: Pick<Forecasts, "inbox" | "delivery">;
  readonly followed: TracePort;
  /** As weather services would be told it. */
  readonly cellOf: (lat: number, lon: number) => CellId | undefined;
  /** The pipeline is stuck: a supervisor must restart the process. */
  readonly fatal: (error: Error) => void;
}

export interface Ingress {
  readonly commands: Pick<Commands, "causeOf" | "forget">;
  readonly erased: ErasedTopics;
  readonly notices: Notices;
  readonly refusals: Refusals;
  readonly seen: { of(device: DeviceRef): Seen };
  /** By the name of the dialect. */
  dialectCounts(): ReturnType<DialectCounts["all"]>;
  /** Of a service, to this gateway. */
  connectionsOf(service: string): number;
  /** Every connected device whose place is known. */
  placedDevices(): Iterable<PlacedDevice>;
  /** What would become of a publication; `undefined` for a device behind a hub. */
  check(device: DeviceId, topic: string, payload: Buffer): Promise<TrialOutcome | undefined>;
  endDevice(device: DeviceKey): void;
  /** Which devices are behind a hub has changed, or to whom they belong. */
  childrenChanged(hub: DeviceKey): void;
  /** Cuts off what services may not have open any more. */
  servicesChanged(): void;
  /** Ends the sessions of all devices: each has to authenticate again. */
  endDevices(): void;
  /** Ends the sessions of devices whose dialect is another one now: they come back and are read by that. */
  dialectsChanged(): void;
  /** For connections over TLS that come from now on. */
  useCertificate(certificate: Certificate): void;
  /** Start before the listeners, when everything after them can take messages. */
  readonly parts: readonly Part[];
  /** Last to start, first to stop. */
  readonly listeners: Part;
  /** Call when everything else has stopped. */
  close(): Promise<void>;
}

const SUBSCRIPTIONS_PER_SECOND = 10;
const REMEMBERED_DEVICES = 200_000;
const REMEMBERED_NAMES = 100_000;
const REMEMBERED_ADDRESSES = 10_000;

export function createIngress(base: Base, deps: IngressDeps): Ingress {
  const { config, metrics, log } = base;
  const { mqtt } = config;
  const refusals: Refusals = new Refusals((listener, told, child) => broker.devices.tellRefusal(listener, told, child));
  const hint = (device: HintedDevice, what: Hint): void => refusals.note(device, what);
  const lastHeard = new LastHeard(REMEMBERED_DEVICES);
  const admission = createAdmission(base, deps, hint);
  const dialectCounts = new DialectCounts();
  const erased = new ErasedTopics({ ...deps.erasures, denied: () => metrics.erasureAnswer("denied") });
  const outcomes = new CommandOutcomes();
  const commands: Commands = new Commands(
    { perMinute: mqtt.commandsPerMinute, remembered: REMEMBERED_DEVICES },
    {
      names: deps.addressable.scene,
      allowed: deps.allowsCommand,
      command: (device, command) => broker.devices.command(device, command),
      counted: (outcome) => metrics.command(outcome),
      outcomes,
    },
  );
  const networkNotices = new NetworkNotices({
    names: deps.addressable.network,
    deliver: (device, notice) => broker.devices.networkNotice(device, notice),
    counted: (outcome) => metrics.networkNotice(outcome),
  });
  const notices = new Notices({
    ...deps.notices,
    connected: () => broker.devices.connected(),
    send: (device, payload) => broker.devices.notify(device, payload),
    counted: (count) => metrics.notified(count),
    log,
  });
  const broker: GatewayBroker = new GatewayBroker(mqtt, {
    access: createLogin(base, deps, lastHeard),
    admission,
    hint,
    reader: new PublicationReader(mqtt.maxPayloadBytes, {
      propertyDropped: (why) => metrics.propertyDropped(why),
      securityEvent: (kind) => metrics.securityEvent(kind),
      hint,
      counted: (dialect, what) => dialectCounts.add(dialect, what),
    }),
    followed: deps.followed,
    commands,
    outcomes,
    fanOut: deps.fanOut,
    joiners: deps.joiners,
    erased,
    forecastTopics: new ForecastTopics({
      take: (cell, payload) => deps.forecasts.inbox.take(cell, payload),
      counted: (outcome) => metrics.forecast(outcome),
    }),
    forecasts: deps.forecasts.delivery,
    networkNotices,
    notices,
    backlogFull: deps.backlogFull,
    notWritable: deps.notWritable,
    failed: deps.fatal,
    observe: metrics,
  });
  const listeners = new Listeners(
    { ...mqtt, handshakeTimeoutMs: mqtt.connectTimeoutMs },
    {
      accept: (stream, remoteAddress, loggedIn) => broker.accept(stream, remoteAddress, loggedIn),
      refused: (reason) => metrics.connectionRefused(reason),
      log,
    },
  );
  metrics.beforeScrape(() => metrics.gauge("pausedConnections", admission.flow.pausedConnections));

  return {
    commands,
    erased,
    notices,
    endDevice: (device) => {
      // Perhaps it has another owner now, who must not be told what the one before used.
      admission.counters.forget(device);
      refusals.forget(device);
      broker.endDevice(device);
    },
    childrenChanged: (hub) => broker.childrenChanged(hub),
    refusals,
    seen: { of: (device) => ({ connected: broker.devices.has(device), heardAt: lastHeard.at(device) }) },
    dialectCounts: () => dialectCounts.all(),
    connectionsOf: (service) => broker.connectionsOf(service),
    placedDevices: () => broker.devices.placed(),
    check: createCheck(base, deps),
    servicesChanged: () => broker.servicesChanged(),
    endDevices: () => broker.endDevices(),
    dialectsChanged: () => broker.dialectsChanged((dialect) => base.dialects.get(dialect.name) === dialect),
    useCertificate: (certificate) => listeners.useCertificate(certificate),
    parts: [
      { name: "broker", start: () => broker.listen(), stop: () => broker.stop() },
      {
        name: "admission",
        start: () => admission.start(),
        stop: async () => {
          broker.quiesce();
          await admission.stop();
        },
      },
    ],
    listeners: { name: "listeners", start: () => listeners.start(), stop: () => listeners.close() },
    close: () => listeners.stop(),
  };
}

function admissionOptions({ config: { mqtt, queue }, keys, vocabulary }: Base): AdmissionOptions {
  return {
    maxPayloadBytes: mqtt.maxPayloadBytes,
    times: mqtt,
    vocabulary,
    lookupKey: keys.lookup,
    limits: mqtt,
    commit: {
      maxItems: queue.maxBatchMessages,
      maxBytes: queue.maxBatchBytes,
      flushesInFlight: queue.flushesInFlight,
      beatMs: queue.commitEveryMs,
      deadlineMs: mqtt.enqueueDeadlineMs,
    },
  };
}

function createAdmission(base: Base, deps: IngressDeps, hint: AdmissionPorts["hint"]): Admission {
  const { metrics, log } = base;
  return new Admission(admissionOptions(base), {
    checkConsent: deps.checkConsent,
    enqueue: deps.enqueue,
    hold: (device) => deps.consent.credentials.hold(device),
    held: () => deps.backlogFull() || deps.notWritable(),
    writableAgain: deps.writableAgain,
    books: metrics,
    observe: metrics,
    hint,
    followed: deps.followed,
    whereabouts: { cellOf: deps.cellOf, moved: () => deps.forecasts.delivery.asked() },
    traces: deps.traces,
    log,
  });
}

/** Messages that are only tried: the caller is the account service, which may name any device. */
function createCheck(base: Base, { checkConsent, consent }: IngressDeps): Ingress["check"] {
  const trial = new Trial(admissionOptions(base), {
    checkConsent,
    aliasMac: (connection, alias) => consent.lookup.aliasMac(connection, alias),
    children: (hub) => consent.hubs.load(hub),
  });
  return async (device, topic, payload) => {
    const key = consent.lookup.deviceKey(device);
    const { behindHub, dialect, ...speech } = await consent.credentials.speech(key);
    if (behindHub) return undefined;
    const read = dialect === undefined ? undefined : base.dialects.get(dialect);
    if (dialect !== undefined && read === undefined) throw new GatewayError("DIALECT_UNKNOWN");
    return trial.run({ ...speech, device, key, dialect: read, topic, payload });
  };
}

/** Who may log in, how often they may fail, and how fast a device may publish. */
function createLogin(
  { config, dialects, log }: Base,
  { consent, services }: IngressDeps,
  lastHeard: LastHeard,
): Access {
  const { rate, maxSubscriptions, failedLoginsPerMinute, failedLoginsPerAddressPerMinute } = config.mqtt;
  return new Access(
    services,
    {
      publishes: new Rates({ ...rate, remembered: REMEMBERED_DEVICES }),
      // Twice the limit of one connection, so that a client can reconnect at once.
      subscriptions: new Rates({
        perSecond: SUBSCRIPTIONS_PER_SECOND,
        burst: 2 * maxSubscriptions,
        remembered: REMEMBERED_DEVICES,
      }),
      failures: perMinute(failedLoginsPerMinute, REMEMBERED_NAMES),
      failuresOfAddress: perMinute(failedLoginsPerAddressPerMinute, REMEMBERED_ADDRESSES),
    },
    {
      deviceKey: (device) => consent.lookup.deviceKey(device),
      verify: (device, token) => consent.credentials.verify(device, token),
      aliasMac: (connection, alias) => consent.lookup.aliasMac(connection, alias),
      children: (hub) => consent.hubs.load(hub),
      heard: (device) => lastHeard.of(device),
      dialect: (name) => {
        const dialect = dialects.get(name);
        if (dialect !== undefined) return dialect;
        log.error("a credential names a dialect that is not there", { code: "DIALECT_UNKNOWN" });
        throw new GatewayError("DIALECT_UNKNOWN");
      },
    },
  );
}
