/** What is counted of a message towards a crowd: whose it is, and the coarse cell it came from. */
import type { CellId, SubjectTag } from "./ids.ts";

export type Seen = readonly [subject: SubjectTag, cell: CellId];
