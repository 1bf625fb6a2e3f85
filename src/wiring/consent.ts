/** Wires consent: the ledger and its policies, the gate that is asked twice, and the leases of the fence. */

import { Credentials } from "../consent/credentials.ts";
import { consentCheck } from "../consent/decision/check.ts";
import { ConsentGate } from "../consent/decision/gate.ts";
import { DeviceConnections } from "../consent/device-connections.ts";
import { Leases } from "../consent/fence/leases.ts";
import { Hubs } from "../consent/hubs.ts";
import { Ledger } from "../consent/ledger/ledger.ts";
import { SubjectTurns } from "../consent/ledger/subject-turns.ts";
import { Policies, parsePolicy } from "../consent/policy/policies.ts";
import { Keyring } from "../deidentify/keyring.ts";
import type { CheckConsent } from "../model/consent.ts";
import { contactOf } from "../model/contact.ts";
import type { TellDamage } from "../model/damage.ts";
import { Lookup } from "../platform/keys/lookup.ts";
import type { Part } from "../platform/lifecycle.ts";
import { optionUnusable, readOptionFile } from "../platform/start-faults.ts";
import type { Base } from "./base.ts";
import type { Safekeeping } from "./safekeeping.ts";

/** What a benchmark may replace; the product itself never does. */
export interface ConsentOverrides {
  readonly checkConsent?: CheckConsent;
  readonly leases?: typeof Leases;
}

export interface Consent {
  readonly lookup: Lookup;
  readonly keyring: Keyring;
  readonly credentials: Credentials;
  readonly hubs: Hubs;
  readonly deviceConnections: DeviceConnections;
  readonly gate: ConsentGate;
  readonly check: CheckConsent;
  readonly leases: Leases;
  readonly policies: Policies;
  readonly ledger: Ledger;
  /** For all other ledger changes: one queue of writers per subject. */
  readonly turns: SubjectTurns;
  /** Publishes the shipped policy if it is new. */
  readonly part: Part;
}

export function createConsent(
  { config, keys, redis, keyspace, log }: Base,
  { liveKeys, journal }: Safekeeping,
  damaged: TellDamage,
  overrides: ConsentOverrides,
): Consent {
  const { leaseMs, controller, expiryDays, policyFile } = config.consent;
  const configured = contactOf(config.consent.contact);
  const keyring = new Keyring(liveKeys.subjects);
  const gate = new ConsentGate(redis.store, keyspace);
  const policies = new Policies(redis.store, keyspace, configured);
  const turns = new SubjectTurns();
  const credentials = new Credentials(redis.store, keyspace, keys.token, journal.tokenIssued);
  const hubs = new Hubs(redis.store, keyspace, { ended: journal.tokenEnded, holder: credentials.holder });
  return {
    lookup: new Lookup(keys.lookup),
    keyring,
    credentials,
    hubs,
    deviceConnections: new DeviceConnections(redis.store, keyspace, hubs),
    gate,
    check: overrides.checkConsent ?? consentCheck(gate),
    leases: new (overrides.leases ?? Leases)(redis.store, keyspace, { leaseMs }),
    policies,
    turns,
    ledger: new Ledger(redis.store, keyspace, {
      turns,
      createSubjectKey: () => keyring.createSubjectKey(),
      now: Date.now,
      controller,
      expiryDays,
      journal,
      broken: () => damaged("ledger"),
    }),
    part: {
      name: "policies",
      start: async () => {
        const file = readOptionFile("consent.policyFile", policyFile);
        // Where nothing runs so far no one is asked for consent before it is said whom they can write to.
        const named = configured ?? parsePolicy(file)?.document.contact;
        if (named === undefined && !config.keys.create && (await policies.newest(0)) === undefined)
          throw optionUnusable("consent.contact", "required-for-a-new-installation");
        await policies.ensureShipped(file);
        if ((await policies.contact()) === undefined)
          log.warn("people are told no contact", { option: "consent.contact" });
      },
      stop: () => undefined,
    },
  };
}
