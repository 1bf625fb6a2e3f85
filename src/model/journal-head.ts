/** How far an erasure journal had got, as archives, gateways and the journal itself name it. */
import { z } from "zod";

export const journalRun = z.string().regex(/^[0-9a-f]{16}$/);
export const journalCount = z.number().int().nonnegative();
export const lineMac = z.string().regex(/^[A-Za-z0-9_-]{22}$/);

/** Names one line, and with it everything before it: run, number in the run, MAC. */
export const journalHead = z.tuple([journalRun, journalCount, lineMac]);
export type JournalHead = z.infer<typeof journalHead>;
