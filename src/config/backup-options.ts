/** Options of backups, and of the journal that keeps a restore from undoing an erasure. */
import { z } from "zod";
import { count, flag, path } from "./leaves.ts";

export const backupOptions = z.strictObject({
  everyHours: count(
    0,
    0,
    8_760,
    "How old the newest backup may grow before the gateway takes another one; 0: it takes none by itself.",
    "hours",
  ),
  dir: path("./data/backups", "Directory of the archives; it should lie on another machine's storage."),
  keep: count(1, 14, 10_000, "Archives of records that are kept; of subject keys only ever the newest.", "archives"),
  journalFile: path(
    "./data/erasures.journal",
    "File of erasures and withdrawals, written before they are answered; it must survive the loss of Redis.",
  ),
  createJournal: flag(
    false,
    "Begin a journal where there is none although Redis holds subjects: for one more gateway with a file of its own, or once after the journal was lost.",
  ),
});
