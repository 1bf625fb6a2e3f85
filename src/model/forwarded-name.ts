/** Names under which something of a person went to a service: what that service can be asked to forget. */
import type { Recipient } from "./disclosure.ts";
import type { Pseudonym, SubjectTag } from "./ids.ts";
import type { NamedServicePurpose } from "./purposes.ts";

/** One service of one purpose, by its name. */
export interface NamedService {
  readonly purpose: NamedServicePurpose;
  readonly service: string;
}

/** To be noted before anything is forwarded under it. */
export interface ForwardedName {
  readonly subject: SubjectTag;
  /** It seals the note: without the subject's key nothing can be learned from it. */
  readonly wrappedSubjectKey: string;
  readonly recipient: Recipient;
  readonly name: Pseudonym;
  /** Unix ms: the end of the epoch after that of the name, by which a service has dropped it in any case. */
  readonly until: number;
}

/** The end of the epoch after the one in which a message was sent; Unix ms. */
export function forgottenBy(at: number, epochMs: number): number {
  return (Math.floor(at / epochMs) + 2) * epochMs;
}
