/**
 * The gateways that work on this Redis, as each announces itself with its heartbeat, and in what they differ from this one. What another
 * version says may be anything: what is not understood is left out, and the gateway is shown all the same.
 */
import { z } from "zod";
import { READINESS_REASONS, type ReadinessReason } from "../../model/readiness.ts";
import type { GatewayShown } from "./shapes.ts";

const MOST = 64;
const MOST_DIGESTS = 64;
const NAME = /^[A-Za-z][A-Za-z0-9.-]{0,47}$/;
const DIGEST = /^[0-9a-f]{8,16}$/;

/** Loose, because it may be of any version. */
const digests = z.record(z.string(), z.unknown()).transform((given) => {
  const known = Object.entries(given).filter(
    (pair): pair is [string, string] => NAME.test(pair[0]) && typeof pair[1] === "string" && DIGEST.test(pair[1]),
  );
  return Object.fromEntries(known.slice(0, MOST_DIGESTS));
});
const notice = z.object({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  version: z.string().regex(/^[A-Za-z0-9.+-]{1,32}$/),
  startedAt: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
  reasons: z.array(z.unknown()).transform((given) => READINESS_REASONS.filter((reason) => given.includes(reason))),
  keys: digests,
  configuration: digests,
});
const report = z.object({ notice: notice.optional().catch(undefined), queue: digests.optional().catch(undefined) });

/** What a gateway says of itself. */
export interface GatewayNotice {
  /** A random mark of the process. */
  readonly id: string;
  readonly version: string;
  readonly startedAt: number;
  readonly reasons: readonly ReadinessReason[];
  readonly keys: Readonly<Record<string, string>>;
  readonly configuration: Readonly<Record<string, string>>;
}

/** This one first. `reports`: of every gateway that lives, this one included or not. */
export function gatewaysShown(own: GatewayNotice, reports: readonly unknown[]): GatewayShown[] {
  const others = reports.slice(0, MOST).flatMap((text, index): GatewayShown[] => {
    const { notice: told, queue = {} } = report.safeParse(text).data ?? {};
    if (told?.id === own.id) return [];
    const said: Partial<GatewayNotice> = told ?? {
      keys: Object.fromEntries(Object.entries(queue).map(([id, digest]) => [`queue.${id}`, digest])),
    };
    return [shown(own, said, `other-${index + 1}`)];
  });
  return [shown(own, own, own.id), ...others];
}

function shown(own: GatewayNotice, said: Partial<GatewayNotice>, nameless: string): GatewayShown {
  const { id = nameless, version, startedAt, reasons, keys = {}, configuration = {} } = said;
  return {
    id,
    self: id === own.id,
    ...(version !== undefined && { version }),
    ...(startedAt !== undefined && { startedAt }),
    ...(reasons !== undefined && { ready: reasons.length === 0 }),
    reasons: [...(reasons ?? [])],
    keys: { ...keys },
    configuration: { ...configuration },
    differs: [
      ...(version === own.version ? [] : ["version"]),
      ...differing("keys", own.keys, keys),
      ...differing("configuration", own.configuration, configuration),
    ],
  };
}

type Digests = Readonly<Record<string, string>>;

function differing(of: string, own: Digests, other: Digests): string[] {
  return [...new Set([...Object.keys(own), ...Object.keys(other)])]
    .filter((name) => own[name] !== other[name])
    .map((name) => `${of}.${name}`);
}
