/** Homes whose devices speak dialects: for each dialect one home of each decision that is asked for. */
import { makeHome } from "../homes.ts";
import type { Household, Standing } from "../population.ts";
import { Random } from "../random.ts";
import type { DialectHome } from "./firmware.ts";
import { firmwareOf, type SimulatedDialect } from "./firmwares.ts";
import { makeNetwork } from "./network.ts";

/** What is broken and what nobody knows the firmware sends by itself, now and then. */
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
  const device = (called: string) => ({ id: `device-${random.hex(12)}`, alias: called });
  return {
    dialect,
    household,
    device: device(alias(random, household)),
    children: (children?.(random, household) ?? []).map(device),
    network: makeNetwork(random),
    random: random.fork("firmware"),
    token: "",
  };
}
