/** The people of a race: some leave their consent alone for the whole run, the others change their minds all the time. */
import { grantsOf } from "../../src/model/consent.ts";
import { type Category, PURPOSES, type Purpose } from "../../src/model/purposes.ts";
import type { Random } from "../random.ts";

export interface RaceDevice {
  readonly index: number;
  readonly id: string;
  token: string;
}

export interface RacePerson {
  readonly subject: string;
  readonly devices: readonly RaceDevice[];
  /** Never changes anything: everything acknowledged must be stored. */
  readonly steady: boolean;
  /** Names under which analytics stores the devices, by the present key. */
  names: readonly string[];
}

type Purposes = Readonly<Partial<Record<Purpose, readonly Category[]>>>;

const EVERYTHING: Purposes = {
  analytics: ["model", "location", "status"],
  weather: ["location", "status"],
  scene: ["model", "status"],
  network: ["model", "ip"],
};

export const ALL_GRANTS = grantsOf(EVERYTHING);
export const ANALYTICS = grantsOf({ analytics: EVERYTHING.analytics ?? [] });

export const WEATHER = grantsOf({ weather: EVERYTHING.weather ?? [] });

const STEADY_SHARE = 0.25;

export function makePeople(random: Random, deviceCount: number): { people: RacePerson[]; devices: RaceDevice[] } {
  const people: RacePerson[] = [];
  const devices: RaceDevice[] = [];
  while (devices.length < deviceCount) {
    const own: RaceDevice[] = [];
    for (let left = Math.min(1 + random.int(3), deviceCount - devices.length); left > 0; left -= 1) {
      const device = { index: devices.length, id: `race-${random.hex(12)}`, token: "" };
      own.push(device);
      devices.push(device);
    }
    people.push({ subject: `person-${random.hex(12)}`, devices: own, steady: random.chance(STEADY_SHARE), names: [] });
  }
  return { people, devices };
}

export function consentToEverything(devices?: readonly RaceDevice[]): Record<string, unknown> {
  return {
    policyVersion: 1,
    purposes: EVERYTHING,
    method: "app",
    by: "subject",
    language: "en",
    jurisdiction: ["IN"],
    ...(devices !== undefined && { devices: devices.map(({ id }) => id) }),
  };
}

export interface Withdrawal {
  readonly kind: "all" | "purpose" | "category" | "device";
  readonly body: Record<string, unknown>;
  readonly devices: readonly RaceDevice[];
  /** What may not be used any more. */
  readonly lost: number;
}

/** What a person takes back this time. */
export function makeWithdrawal(random: Random, person: RacePerson): Withdrawal {
  const { devices } = person;
  switch (random.weighted(WITHDRAWALS)) {
    case "all":
      return { kind: "all", body: {}, devices, lost: ALL_GRANTS };
    case "purpose": {
      const purposes = [random.pick(PURPOSES), random.pick(PURPOSES)].filter((one, at, all) => all.indexOf(one) === at);
      return { kind: "purpose", body: { purposes }, devices, lost: lostBy(purposes, undefined) };
    }
    case "category": {
      const categories = [random.pick(["model", "ip", "location", "status"] as const)];
      return { kind: "category", body: { categories }, devices, lost: lostBy(PURPOSES, categories) };
    }
    case "device": {
      const device = random.pick(devices);
      const purposes = random.chance(0.5) ? [random.pick(PURPOSES)] : undefined;
      const body = { devices: [device.id], ...(purposes !== undefined && { purposes }) };
      return { kind: "device", body, devices: [device], lost: lostBy(purposes ?? PURPOSES, undefined) };
    }
  }
}

const WITHDRAWALS = [
  ["all", 35],
  ["purpose", 25],
  ["category", 20],
  ["device", 20],
] as const;

function lostBy(purposes: readonly Purpose[], categories: readonly Category[] | undefined): number {
  return grantsOf(
    Object.fromEntries(
      purposes.map((purpose) => [
        purpose,
        (EVERYTHING[purpose] ?? []).filter((category) => categories?.includes(category) ?? true),
      ]),
    ),
  );
}
