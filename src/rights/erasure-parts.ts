/** What a backup must know of an erasure: which ones a ledger names, and where in them a key could be. */

/** Ids of the erasures that were asked for, in the order of the ledger. */
export function erasureIdsIn(events: readonly string[]): string[] {
  return events.flatMap((text) => {
    if (!text.includes('"erasure-requested"')) return [];
    const { type, erasure } = JSON.parse(text) as { type?: unknown; erasure?: unknown };
    return type === "erasure-requested" && typeof erasure === "string" ? [erasure] : [];
  });
}

/** The wrapped key that an erasure on its way still holds, apart from everything else. */
export function splitErasure(fields: Record<string, string>): { key: string | undefined; rest: Record<string, string> } {
  const { key, ...rest } = fields;
  return { key, rest };
}
