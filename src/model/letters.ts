/** What every deletion of dead letters has to respect. */
import type { DeviceKey, SubjectTag } from "./ids.ts";

/** True where a legal hold covers the letter. */
export type Spared = (letter: { readonly subjectTag: SubjectTag | ""; readonly deviceKey: DeviceKey | "" }) => boolean;

/** Runs the deletion such that a hold on one of these subjects is answered before it or after it, never within. */
export type Guard = (subjects: ReadonlySet<SubjectTag>, work: () => Promise<void>) => Promise<void>;
