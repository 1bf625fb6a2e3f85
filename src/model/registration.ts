/** What became of a device that was to be registered behind a hub. */
export const REGISTRATION_OUTCOMES = [
  "registered",
  "already",
  "not-bound",
  "other-subject",
  "alias-taken",
  "under-another-hub",
  "is-hub",
  "behind-hub",
  "itself",
  "twice",
  "too-many-children",
] as const;
export type RegistrationOutcome = (typeof REGISTRATION_OUTCOMES)[number];
