/**
 * What each purpose is: one row. A further purpose is a change of the policy, a row here, and a file for the way it leaves;
 * it is never a configuration option.
 */

/** What a device may tell, in the order of their bits. */
export const CATEGORIES = ["model", "ip", "location", "status"] as const;
export type Category = (typeof CATEGORIES)[number];

interface Row {
  /** What it can use at all, whatever a person grants. */
  readonly uses: readonly Category[];
  /** Without at least one of these it has nothing to do with a message. */
  readonly needs: readonly Category[];
  /** Stored here, or told to services: message by message, at steps, or of crowds alone. */
  readonly leaves: "store" | "messages" | "steps" | "crowds";
  /** The names it gives a device, each with a key of its own. */
  readonly names: readonly string[];
}

/** In the order of their bits: a new row goes to the end. */
const TABLE = {
  analytics: {
    uses: ["model", "location", "status"],
    needs: ["location", "status"],
    leaves: "store",
    // A place stands under a name of its own, so that it cannot be joined with the status.
    names: ["analytics", "place"],
  },
  // Outdoor readings of several people together: no device, so no name, and no model.
  weather: { uses: ["location", "status"], needs: ["location"], leaves: "crowds", names: [] },
  scene: { uses: ["model", "status"], needs: ["status"], leaves: "messages", names: ["scene"] },
  network: { uses: ["model", "ip"], needs: ["model", "ip"], leaves: "steps", names: ["network"] },
} as const satisfies Record<string, Row>;

type Table = typeof TABLE;
export type Purpose = keyof Table;
/** The purposes that services subscribe to; the store has those that are left. */
export type ServicePurpose = { [P in Purpose]: Table[P]["leaves"] extends "store" ? never : P }[Purpose];
/** The purposes whose services know a device by a name. */
export type NamedServicePurpose = {
  [P in ServicePurpose]: Table[P]["names"] extends readonly [] ? never : P;
}[ServicePurpose];
/** What a device has a name for. */
export type PseudonymPurpose = Table[Purpose]["names"][number];

export const PURPOSE_TABLE: Readonly<Record<Purpose, Row>> = TABLE;
export const PURPOSES = Object.keys(TABLE) as Purpose[];
export const SERVICE_PURPOSES = PURPOSES.filter(isOfServices);
export const NAMED_SERVICE_PURPOSES = SERVICE_PURPOSES.filter(isNamed);
export const PSEUDONYM_PURPOSES: readonly PseudonymPurpose[] = PURPOSES.flatMap((purpose) => [...TABLE[purpose].names]);

function isOfServices(purpose: Purpose): purpose is ServicePurpose {
  return PURPOSE_TABLE[purpose].leaves !== "store";
}

function isNamed(purpose: ServicePurpose): purpose is NamedServicePurpose {
  return PURPOSE_TABLE[purpose].names.length > 0;
}
