/**
 * Brings forecasts to the devices of this gateway that are below their cells, in turns of its own:
 *
 *   cells with a new forecast, devices that ask → the forecast that counts there → lease → consent again → told
 *
 * A service has had its answer by then, and whatever is told here comes in small pieces: how many devices there are shows nowhere.
 */
import { setImmediate as pause } from "node:timers/promises";
import { type CheckConsent, LOCATION, usable } from "../model/consent.ts";
import { GatewayError } from "../model/errors.ts";
import type { PlacedDevice } from "../model/forecast.ts";
import type { CellId, DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import type { Lease, LeaseSource } from "../model/lease.ts";
import { cellsOver, forecastCell } from "./cells.ts";
import { noticeOf } from "./forecast.ts";
import type { Kept, KeptForecasts } from "./kept-forecasts.ts";

export interface DeliveryPorts {
  readonly kept: Pick<KeptForecasts, "over">;
  /** Looked through while others come and go. */
  readonly placed: () => Iterable<PlacedDevice>;
  readonly leases: LeaseSource;
  readonly checkConsent: CheckConsent;
}

const PAGE = 200;
/** Devices between two turns of the loop. */
const LOOKED_AT = 500;
const TOLD = 20;

export class ForecastDelivery {
  readonly #ports: DeliveryPorts;
  #due = new Set<CellId>();
  #asked = false;

  constructor(ports: DeliveryPorts) {
    this.#ports = ports;
  }

  /** Some gateway has kept a new forecast for this cell. */
  arrived(text: string): void {
    const cell = forecastCell(text);
    if (cell !== undefined) this.#due.add(cell);
  }

  /** Some device asks for what is kept. */
  asked(): void {
    this.#asked = true;
  }

  /** Tells what is due. Rejects when Redis is away: what was not told is told at the next turn. */
  async turn(): Promise<void> {
    if (this.#due.size === 0 && !this.#asked) return;
    const due = this.#due;
    this.#due = new Set();
    this.#asked = false;
    try {
      await this.#tell(due);
    } catch (error) {
      for (const cell of due) this.#due.add(cell);
      this.#asked = true;
      throw error;
    }
  }

  /** The record of a subject or device has changed: a place that consent no longer covers is known no longer. Never rejects. */
  async recordChanged(concerned: SubjectTag | DeviceKey): Promise<void> {
    const theirs: PlacedDevice[] = [];
    let looked = 0;
    for (const device of this.#ports.placed()) {
      looked += 1;
      if (looked % LOOKED_AT === 0) await pause();
      if (device.ref.subjectTag === concerned || device.ref.deviceKey === concerned) theirs.push(device);
    }
    if (theirs.length === 0) return;
    const verdicts = await this.#ports.checkConsent(theirs.map(refOf)).catch(() => []);
    for (const [index, device] of theirs.entries()) if (!covers(verdicts[index])) device.forget();
  }

  async #tell(due: ReadonlySet<CellId>): Promise<void> {
    const isDue = below(due);
    let page: PlacedDevice[] = [];
    let looked = 0;
    for (const device of this.#ports.placed()) {
      looked += 1;
      if (looked % LOOKED_AT === 0) await pause();
      const { place, listens } = device;
      if (!listens || !(place.asks || isDue(place.cell))) continue;
      page.push(device);
      if (page.length < PAGE) continue;
      await this.#page(page);
      page = [];
    }
    if (page.length > 0) await this.#page(page);
  }

  async #page(devices: readonly PlacedDevice[]): Promise<void> {
    const counts = await this.#ports.kept.over(new Set(devices.map(({ place }) => place.cell)));
    const wanted: [PlacedDevice, Kept][] = [];
    for (const device of devices) {
      const kept = counts.get(device.place.cell);
      if (kept !== undefined && device.place.told !== markOf(kept)) wanted.push([device, kept]);
      else device.place.asks = false;
    }
    if (wanted.length === 0) return;
    const lease = await this.#ports.leases.acquire();
    try {
      await this.#consented(wanted, lease);
    } finally {
      await lease.release();
    }
  }

  async #consented(wanted: readonly [PlacedDevice, Kept][], lease: Lease): Promise<void> {
    const hubs = new Map<DeviceKey, DeviceRef>();
    for (const [{ hub }] of wanted) if (hub !== undefined) hubs.set(hub.deviceKey, hub);
    const verdicts = await this.#ports.checkConsent([...wanted.map(([device]) => refOf(device)), ...hubs.values()]);
    const silenced = new Set(
      [...hubs.keys()].filter((_, index) => verdicts[wanted.length + index]?.refusal === "consent-withdrawn"),
    );
    const payloads = new Map<Kept, Buffer>();
    for (const [index, [device, kept]] of wanted.entries()) {
      if (index % TOLD === TOLD - 1) await pause();
      if (lease.over) throw new GatewayError("LEASE_LOST", "before telling forecasts");
      const { place, hub } = device;
      place.asks = false;
      if (!covers(verdicts[index])) device.forget();
      else if (hub === undefined || !silenced.has(hub.deviceKey)) {
        const payload = payloads.get(kept) ?? Buffer.from(noticeOf(kept.cell, kept.rest));
        payloads.set(kept, payload);
        if (device.tell(payload)) place.told = markOf(kept);
      }
    }
  }
}

/** With the revision under which its place was found: consent that is given again does not reach back. */
function refOf({ ref: { deviceKey, subjectTag }, place: { revision } }: PlacedDevice): DeviceRef {
  return { deviceKey, subjectTag, revision };
}

function covers(verdict: Awaited<ReturnType<CheckConsent>>[number] | undefined): boolean {
  return verdict !== undefined && verdict.refusal === undefined && usable(verdict.grants, "weather", LOCATION) !== 0;
}

function markOf({ cell, at }: Kept): string {
  return `${cell} ${at}`;
}

/** Whether a place is in one of these cells; many devices are at one place. */
function below(cells: ReadonlySet<CellId>): (place: CellId) => boolean {
  const known = new Map<CellId, boolean>();
  return (place) => {
    const answer = known.get(place) ?? cellsOver(place).some((cell) => cells.has(cell));
    known.set(place, answer);
    return answer;
  };
}
