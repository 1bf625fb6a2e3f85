/** What an account service does for a whole population: provisioning before a run, withdrawals in the middle of it. */
import type { AccountService } from "../tools/stack/account-service.ts";
import { eachLimited } from "./concurrency.ts";
import type { DialectHome } from "./firmware/firmware.ts";
import { firmwareOf } from "./firmware/firmwares.ts";
import { consentBody, type Household, type Population } from "./population.ts";
import { untilAnswered } from "./until-answered.ts";

const REQUESTS_AT_ONCE = 16;

export interface Given {
  readonly shortLifeMs: number;
  readonly policyVersion: number;
}

/**
 * Tokens for all, bindings for all but the unbound, then consents. Homes whose consent runs out get one that
 * lasts `shortLifeMs` from when it is given; returns when the last of these has run out (Unix ms).
 */
export async function provision(
  api: AccountService,
  population: Population,
  { shortLifeMs, policyVersion }: Given,
): Promise<number> {
  let expired = 0;
  await eachLimited(population.dialectHomes, REQUESTS_AT_ONCE, (home) => provisionDialectHome(api, home));
  await eachLimited(population.devices, REQUESTS_AT_ONCE, async (device) => {
    device.token = await api.issueToken(device.id);
    if (device.household.standing !== "unbound") await api.bind(device.household.subject, device.id);
  });
  await eachLimited(population.households, REQUESTS_AT_ONCE, async (household) => {
    expired = Math.max(expired, Date.now() + shortLifeMs);
    const body = consentBody(household, Date.now() + shortLifeMs, policyVersion);
    if (body !== undefined) await api.consent(household.subject, body);
  });
  return expired;
}

/** The dialect and what the device is called stand in its credential; the devices behind it get none. */
async function provisionDialectHome(api: AccountService, home: DialectHome): Promise<void> {
  const { dialect, device, children, household } = home;
  const { alias } = device;
  const presence = firmwareOf(dialect).presence;
  home.token = await api.issueToken(device.id, { dialect, alias, ...(presence && { presence }) });
  if (household.standing === "unbound") return;
  for (const { id, owner = household } of [device, ...children]) await api.bind(owner.subject, id);
  if (children.length === 0) return;
  const wanted = children.map((child) => ({
    device: child.id,
    alias: child.alias,
    ...(child.owner && { otherSubject: true }),
  }));
  const outcomes = await api.registerChildren(device.id, wanted);
  if (outcomes.some((outcome) => outcome !== "registered" && outcome !== "already"))
    throw new Error("the gateway did not register the devices behind a hub");
}

/** Withdraws for whole homes and notes when the gateway confirmed it; messages sent afterwards must be refused. */
export async function withdrawAll(api: AccountService, households: readonly Household[]): Promise<void> {
  await eachLimited(households, REQUESTS_AT_ONCE, async (household) => {
    household.withdrawal = { askedAt: Date.now() };
    // A withdrawal is not given up because the gateway happens to be down.
    const { answer } = await untilAnswered(
      () => api.withdraw(household.subject),
      () => {},
    );
    household.withdrawal = { askedAt: household.withdrawal.askedAt, answeredAt: Date.now(), waitedMs: answer.waitedMs };
  });
}
