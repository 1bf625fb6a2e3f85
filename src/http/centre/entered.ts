/** The person of a request to the centre, and whether the session is still valid for them. */
import type { FastifyRequest } from "fastify";
import type { DeviceKey } from "../../model/ids.ts";
import type { CentrePort, HttpPorts } from "../ports.ts";
import type { ProblemCode } from "../problems.ts";
import type { SessionClaims } from "./claims.ts";
import { guardianRefusal } from "./guardian.ts";
import { type Person, personOf } from "./overview.ts";
import { devicesEver } from "./record.ts";
import { isOutlived, sessionOf } from "./session.ts";

export const CENTRE_PROBLEMS = [
  "invalid-request",
  "session-ended",
  "guardian-mismatch",
  "unknown-subject",
  "too-many-at-once",
  "centre-busy",
  "unavailable",
  "timeout",
  "internal",
] as const;
export interface Entered {
  readonly session: SessionClaims;
  readonly person: Person;
}

/** The person of the session, if it is still valid for the guardian or subject it was made for. */
export async function enter(
  ports: HttpPorts,
  request: FastifyRequest,
): Promise<Entered | { readonly refused: ProblemCode }> {
  return enterAs(ports, sessionOf(request));
}

async function enterAs(ports: HttpPorts, session: SessionClaims): Promise<Entered | { readonly refused: ProblemCode }> {
  const person = await personOf(ports, session);
  if (person === undefined) return { refused: "unknown-subject" };
  const refused = guardianRefusal(person.record, session);
  return refused === undefined ? { session, person } : { refused: "guardian-mismatch" };
}

/** The same for acts that are closed after an erasure was requested. */
export async function enterOpen(
  ports: HttpPorts,
  request: FastifyRequest,
): Promise<Entered | { readonly refused: ProblemCode }> {
  const entered = await enter(ports, request);
  return "person" in entered && entered.person.closed ? { refused: "session-closed" } : entered;
}

/** Whether a session still opens what of this device it was used to look at. */
export async function stillOpens(
  ports: HttpPorts,
  centre: CentrePort,
  session: SessionClaims,
  device: DeviceKey,
): Promise<boolean> {
  if (isOutlived(session, ports) || (await centre.leftSessions.has(session.id))) return false;
  const entered = await enterAs(ports, session);
  if (!("person" in entered) || entered.person.closed) return false;
  return entered.person.record.devices.some((one) => one.device === device);
}

/** `undefined`: all of them. */
export function devicesOf(
  { record }: Person,
  number: number | undefined,
): readonly DeviceKey[] | undefined | "unknown" {
  if (number === undefined) return undefined;
  const key = devicesEver(record)[number - 1];
  const bound = record.devices.some(({ device }) => device === key);
  return key !== undefined && bound ? [key] : "unknown";
}
