/**
 * Tells weather services that have just asked the weather of each cell as it was told last: only where everyone whose values are in
 * it consents now, and has ever since. One who does not takes the cell along until its next step.
 */
import { type CheckConsent, LOCATION, STATUS, usable, type Verdict } from "../model/consent.ts";
import type { CrowdMember, CrowdTelling } from "../model/crowd.ts";
import type { Delivery } from "../model/delivery.ts";
import type { DeviceRef, SubjectTag } from "../model/ids.ts";
import type { LeaseSource } from "../model/lease.ts";
import { underLease } from "../platform/under-lease.ts";
import type { LastTold, LastWeather } from "./last-weather.ts";

export interface CurrentWeatherPorts {
  readonly leases: LeaseSource;
  readonly last: Pick<LastWeather, "all" | "takeOut">;
  readonly checkConsent: CheckConsent;
  /** As for a step, to those who asked. */
  readonly delivery: Delivery<CrowdTelling>;
}

const BOTH = LOCATION | STATUS;

export class CurrentWeather {
  readonly #ports: CurrentWeatherPorts;

  constructor(ports: CurrentWeatherPorts) {
    this.#ports = ports;
  }

  /** Resolves when all of it was told, or when no one waits for it any more. Throws REDIS_UNAVAILABLE, LEASE_LOST. */
  async tell(stop: AbortSignal): Promise<void> {
    for await (const page of this.#ports.last.all()) {
      if (stop.aborted || !this.#ports.delivery.listening()) return;
      await underLease(this.#ports, () => this.#prepared(page));
    }
  }

  async #prepared(page: readonly LastTold[]): Promise<(() => void) | undefined> {
    const verdicts = await this.#verdicts(page);
    const tellings: CrowdTelling[] = [];
    const gone: string[] = [];
    for (const { record, devices, field } of page) {
      const found = devices.map((device) => verdicts.get(nameOf(device)));
      if (found.every(allows)) {
        tellings.push({ record: { ...record, current: true }, members: membersOf(devices, found) });
      } else if (!found.some((verdict) => verdict?.refusal === "legal-hold")) gone.push(field);
    }
    await this.#ports.last.takeOut(gone);
    if (tellings.length === 0) return undefined;
    const deliver = await this.#ports.delivery.announce(tellings);
    return () => void deliver();
  }

  /** One question for all of them, each device once for each state of the ledger. */
  async #verdicts(page: readonly LastTold[]): Promise<ReadonlyMap<string, Verdict | undefined>> {
    const asked = new Map(page.flatMap(({ devices }) => devices.map((device) => [nameOf(device), device] as const)));
    const verdicts = await this.#ports.checkConsent([...asked.values()]);
    return new Map([...asked.keys()].map((name, index) => [name, verdicts[index]]));
  }
}

function nameOf({ subjectTag, deviceKey, revision }: DeviceRef): string {
  return `${subjectTag} ${deviceKey} ${revision}`;
}

function allows(verdict: Verdict | undefined): boolean {
  if (verdict === undefined || verdict.refusal !== undefined) return false;
  return usable(verdict.grants, "weather", BOTH) === BOTH;
}

/** Each subject once. */
function membersOf(devices: readonly DeviceRef[], found: readonly (Verdict | undefined)[]): CrowdMember[] {
  const members = new Map<SubjectTag, CrowdMember>();
  for (const [index, { subjectTag: subject }] of devices.entries()) {
    const verdict = found[index];
    const revision = verdict === undefined || verdict.refusal !== undefined ? 0 : (verdict.revision ?? 0);
    members.set(subject, { subject, revision: Math.max(revision, members.get(subject)?.revision ?? 0) });
  }
  return [...members.values()];
}
