/** Why a device is not registered behind a hub, and what else can become of it. */
export const REGISTRATION_REFUSALS = [
  "not-bound",
  "other-subject",
  "alias-taken",
  "under-another-hub",
  "is-hub",
  "behind-hub",
  "itself",
  "too-many-children",
] as const;
/** `twice`: it stands in one request before. */
export const REGISTRATION_OUTCOMES = ["registered", "already", ...REGISTRATION_REFUSALS, "twice"] as const;
export type RegistrationOutcome = (typeof REGISTRATION_OUTCOMES)[number];
