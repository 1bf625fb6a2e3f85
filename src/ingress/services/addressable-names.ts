/**
 * Names by which the services of one purpose address devices. The gateway alone turns a name back into its device, while consent
 * holds. The table behind it is bounded, in memory, and gone at a restart.
 */
import type { LRUCache } from "lru-cache";
import { type CategoryMask, type CheckConsent, usable } from "../../model/consent.ts";
import type { DeviceRef, Pseudonym } from "../../model/ids.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";

export interface AddressableNamesOptions {
  /** Those whose services know devices by a name. */
  readonly purpose: "scene" | "network";
  /** Consent to one of them is what a message to the device needs. */
  readonly categories: CategoryMask;
  /** Devices that can be addressed at one time. */
  readonly remembered: number;
}

export interface AddressableNamesPorts {
  readonly checkConsent: CheckConsent;
  /** The pseudonym for this purpose that the device has right now. */
  readonly pseudonym: (device: DeviceRef, wrappedSubjectKey: string) => Pseudonym;
}

export type NotAddressable = "unknown-device" | "no-consent";

export class AddressableNames {
  readonly #options: AddressableNamesOptions;
  readonly #ports: AddressableNamesPorts;
  readonly #devices: LRUCache<string, DeviceRef>;

  constructor(options: AddressableNamesOptions, ports: AddressableNamesPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#devices = boundedCache(options.remembered);
  }

  /** This name has just been used towards services of the purpose. */
  remember(pseudonym: Pseudonym, device: DeviceRef): void {
    const known = this.#devices.get(pseudonym);
    // Every message brings a reference of its own; the one that is known says the same and is kept.
    if (known?.deviceKey === device.deviceKey && known.subjectTag === device.subjectTag) return;
    this.#devices.set(pseudonym, device);
  }

  /** These names lead to no device any more. */
  forget(pseudonyms: Iterable<Pseudonym>): void {
    for (const pseudonym of pseudonyms) this.#devices.delete(pseudonym);
  }

  /** Whether it was used lately; consent is not asked. */
  isKnown(pseudonym: string): boolean {
    return this.#devices.has(pseudonym);
  }

  /** The device, or why it may not be addressed. Rejects when consent cannot be asked. */
  async find(pseudonym: string): Promise<DeviceRef | NotAddressable> {
    const { purpose, categories } = this.#options;
    const device = this.#devices.get(pseudonym);
    if (device === undefined) return "unknown-device";
    const [verdict] = await this.#ports.checkConsent([device]);
    if (verdict === undefined || verdict.refusal !== undefined || usable(verdict.grants, purpose, categories) === 0) {
      return "no-consent";
    }
    // A pseudonym of an earlier epoch or of an erased subject no longer opens anything.
    return this.#ports.pseudonym(device, verdict.wrappedSubjectKey) === pseudonym ? device : "unknown-device";
  }
}
