/**
 * Notices of network services to devices that they know by a network pseudonym: `network/<pseudonym>`. Checked, counted, handed to the
 * device while it is connected, and kept nowhere. What became of one is not told to the service: whether a device is connected
 * right now is nothing that network services hear (docs/decisions/060-three-services-to-begin-with.md).
 */
import type { DeviceRef } from "../../model/ids.ts";
import { readJson } from "../../model/json.ts";
import { MAX_NETWORK_NOTICE_BYTES, NetworkNotice } from "../../model/network-notice.ts";
import type { NetworkNoticeOutcome } from "../../model/outcome.ts";
import { Rates } from "../../platform/rate.ts";
import type { AddressableNames } from "./addressable-names.ts";
import type { CommandMessage } from "./commands.ts";
import type { ServiceConnection } from "./connection.ts";
import { networkNoticeTopic } from "./topics.ts";

export interface NetworkNoticesPorts {
  readonly names: Pick<AddressableNames, "find">;
  /** To a device that is connected and listens, or to its hub. False: there is none. */
  readonly deliver: (device: DeviceRef, notice: NetworkNotice) => boolean;
  readonly counted: (outcome: NetworkNoticeOutcome) => void;
}

/** Of all services together, to one device. */
const NOTICES_PER_HOUR = 4;
const HOUR_S = 3_600;
const REMEMBERED_DEVICES = 100_000;
const MAX_AGE_MS = 31 * 86_400_000;
/** The clock of a service may be ahead. */
const MAX_AHEAD_MS = 60_000;

export class NetworkNotices {
  readonly #ports: NetworkNoticesPorts;
  readonly #rates = new Rates({
    perSecond: NOTICES_PER_HOUR / HOUR_S,
    burst: NOTICES_PER_HOUR,
    remembered: REMEMBERED_DEVICES,
  });

  constructor(ports: NetworkNoticesPorts) {
    this.#ports = ports;
  }

  /** Takes over what is published on such a topic; false for any other topic. Acknowledged whatever becomes of it. */
  submit(
    service: ServiceConnection,
    { topic, payload, expiresAt }: CommandMessage,
    done: (outcome: NetworkNoticeOutcome) => void,
  ): boolean {
    const pseudonym = networkNoticeTopic(topic);
    if (pseudonym === undefined) return false;
    const notice = payload.length > MAX_NETWORK_NOTICE_BYTES ? "too-large" : noticeOf(payload);
    this.#deliver(service, { pseudonym, notice, expiresAt })
      .catch((): NetworkNoticeOutcome => "unavailable")
      .then((outcome) => {
        this.#ports.counted(outcome);
        done(outcome);
      });
    return true;
  }

  async #deliver(
    service: ServiceConnection,
    { pseudonym, notice, expiresAt }: Submitted,
  ): Promise<NetworkNoticeOutcome> {
    if (!service.mayPublish()) return "over-rate";
    if (!service.purposes.has("network")) return "acl-denied";
    if (typeof notice === "string") return notice;
    const device = await this.#ports.names.find(pseudonym);
    // It may have lost the purpose meanwhile.
    if (!service.purposes.has("network")) return "acl-denied";
    if (typeof device === "string") return device;
    if (performance.now() > expiresAt) return "expired";
    const now = performance.now();
    const bucket = this.#rates.bucket(device.deviceKey, now);
    if (!bucket.peek(now)) return "too-many";
    if (!this.#ports.deliver(device, notice)) return "away";
    bucket.take(now);
    return "delivered";
  }
}

interface Submitted {
  readonly pseudonym: string;
  readonly notice: NetworkNotice | "too-large" | "invalid-payload";
  readonly expiresAt: number;
}

function noticeOf(payload: Buffer): NetworkNotice | "invalid-payload" {
  const read = NetworkNotice.safeParse(readJson(String(payload)));
  if (!read.success) return "invalid-payload";
  const { since } = read.data;
  const now = Date.now();
  return since > now + MAX_AHEAD_MS || since < now - MAX_AGE_MS ? "invalid-payload" : read.data;
}
