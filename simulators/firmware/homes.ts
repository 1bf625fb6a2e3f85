/** Homes whose devices speak dialects: for each dialect one home of each decision that is asked for. */
import { makeHome } from "../homes.ts";
import type { Household, Standing } from "../population.ts";
import { Random } from "../random.ts";
import type { DialectDevice, DialectHome } from "./firmware.ts";
import { firmwareOf, type SimulatedDialect } from "./firmwares.ts";
import { makeNetwork } from "./network.ts";

/** What is broken and what is not known the firmware sends by itself, now and then. */
export const DIALECT_STANDINGS: readonly Standing[] = [
  "consenting",
  "partial",
  "forward-only",
  "minor-with-guardian",
  "withdrawing",
  "without-consent",
  "minor",
  "expired",
  "unbound",
];

/** In these homes the last devices behind a hub belong to guests: of one who consents to everything, and of one who was never asked. */
const HOMES_WITH_GUESTS: Standing = "partial";
const GUESTS: readonly Standing[] = ["consenting", "without-consent"];

export function makeDialectHomes(
  seed: number,
  dialects: readonly SimulatedDialect[],
  standings: readonly Standing[],
): DialectHome[] {
  return dialects.flatMap((dialect) => {
    const random = new Random(seed).fork(dialect);
    return standings.map((standing) => makeDialectHome(dialect, standing, random));
  });
}

function makeDialectHome(dialect: SimulatedDialect, standing: Standing, random: Random): DialectHome {
  const household: Household = { ...makeHome(random), standing, devices: [] };
  const { alias, children } = firmwareOf(dialect);
  const device = (called: string): DialectDevice => ({ id: `device-${random.hex(12)}`, alias: called });
  return {
    dialect,
    household,
    device: device(alias(random, household)),
    children: withGuests((children?.(random, household) ?? []).map(device), standing, random.fork("guests")),
    network: makeNetwork(random),
    random: random.fork("firmware"),
    token: "",
  };
}

function withGuests(children: readonly DialectDevice[], standing: Standing, random: Random): readonly DialectDevice[] {
  if (standing !== HOMES_WITH_GUESTS) return children;
  const first = children.length - GUESTS.length;
  return children.map((child, index) => {
    const decided = GUESTS[index - first];
    return decided === undefined ? child : { ...child, owner: { ...makeHome(random), standing: decided, devices: [] } };
  });
}
