/**
 * What is known of devices, by the home they are in, under pseudonyms alone. Without homes each device is one by itself. Bounded; all of
 * it goes with the epoch of the names.
 */
import { BoundedMap } from "./bounded-map.ts";
import type { SceneMessage } from "./messages.ts";

export interface Device {
  readonly name: string;
  readonly home: string;
  model: string | undefined;
  /** Property → what it said last. */
  status: Readonly<Record<string, number | boolean | string>>;
  /** Rule → until when it does nothing more to this device; Unix ms. */
  readonly cooling: Map<string, number>;
  /** The last command to it: how many led to that, and in which properties the device shows it. */
  commanded: { readonly cause: number; readonly shownIn: readonly string[]; readonly at: number } | undefined;
}

const MAX_PROPERTIES = 64;
const MAX_IN_HOME = 64;

export class Homes {
  readonly #devices: BoundedMap<string, Device>;
  readonly #homes = new Map<string, Set<string>>();

  constructor(maxDevices: number) {
    this.#devices = new BoundedMap(maxDevices);
  }

  get size(): number {
    return this.#devices.size;
  }

  /** The device as it is known now; without a home of its own the home is the device. */
  said({ device: name, home = name, model, status }: SceneMessage): Device {
    const known = this.#devices.get(name);
    if (known !== undefined && known.home !== home) this.forget(name);
    const before = known?.home === home ? known : undefined;
    const device: Device = before ?? { name, home, model, status: {}, cooling: new Map(), commanded: undefined };
    device.model = model ?? device.model;
    device.status = Object.fromEntries(Object.entries({ ...device.status, ...status }).slice(0, MAX_PROPERTIES));
    const gone = this.#devices.set(name, device);
    if (gone !== undefined) this.#leave(gone);
    const inHome = this.#homes.get(home) ?? new Set<string>();
    if (inHome.size < MAX_IN_HOME) this.#homes.set(home, inHome.add(name));
    return device;
  }

  /** Of its home, itself included. */
  withProperty(device: Device, property: string): Device[] {
    const names = this.#homes.get(device.home) ?? [];
    return [...names].flatMap((name) => {
      const one = name === device.name ? device : this.#devices.get(name);
      return one !== undefined && Object.hasOwn(one.status, property) ? [one] : [];
    });
  }

  forget(name: string): void {
    const device = this.#devices.get(name);
    if (device === undefined) return;
    this.#devices.delete(name);
    this.#leave(device);
  }

  clear(): void {
    this.#devices.clear();
    this.#homes.clear();
  }

  #leave({ name, home }: Device): void {
    const inHome = this.#homes.get(home);
    inHome?.delete(name);
    if (inHome?.size === 0) this.#homes.delete(home);
  }
}
