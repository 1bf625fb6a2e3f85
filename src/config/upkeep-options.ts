/** Options of what the gateway does by itself over days and years: legal holds that end, data that has been kept long enough. */
import { z } from "zod";
import { count, days, milliseconds } from "./leaves.ts";

export const holdOptions = z.strictObject({
  maxDays: days(1, 365, 3_650, "Longest time for which a legal hold can be placed at once."),
  proposalHours: count(1, 72, 720, "A hold that no second approver confirms within this time lapses.", "hours"),
  sweepMs: milliseconds(100, 10_000, 3_600_000, "How often the gateway looks for holds whose time is over."),
});

export const retentionOptions = z.strictObject({
  deviceStatusDays: days(
    1,
    365,
    3_650,
    "How long rows of `device_status` are kept; not longer than the policy says for analytics.",
  ),
  deviceLocationDays: days(
    1,
    30,
    3_650,
    "How long rows of `device_location` are kept, from the start of their epoch; must exceed `deidentify.epochDays`, and not what the policy says for analytics.",
  ),
  cellActivityDays: days(1, 1_095, 36_500, "How long rows of `cell_activity` are kept; they name no device."),
  disclosureDays: days(1, 365, 3_650, "How long the account of who was given data is kept, from the day it is about."),
  receiptDays: days(30, 3_650, 36_500, "How long a completed erasure and its receipt can be asked for."),
  queueKeyDays: count(
    0,
    30,
    3_650,
    "Age at which a queue key is replaced by a new one; the former one is destroyed when nothing is sealed under it any more. 0: only by `npm run keys`.",
    "days",
  ),
  auditDays: days(30, 3_650, 36_500, "How long lines of the audit log are kept."),
  everyMinutes: count(1, 60, 10_080, "How often what is past its time is deleted.", "minutes"),
});

export const erasureOptions = z.strictObject({
  sweepAfterMs: milliseconds(
    100,
    5_000,
    600_000,
    "Pause before the store is searched a second time, for whatever it was still carrying out; must exceed `sinks.influx.timeoutMs`.",
  ),
  acknowledgeWaitMs: milliseconds(
    0,
    5_000,
    3_600_000,
    "How long the first receipt waits for services to answer that they have forgotten.",
  ),
  acknowledgeDays: days(1, 7, 90, "How long a service that does not answer is told again; then the names are dropped."),
  digestMinutes: count(
    15,
    60,
    720,
    "Within this time services are told which names to forget, those of several people at once, at a random moment of its second half.",
    "minutes",
  ),
  rewriteEveryMinutes: count(
    1,
    60,
    10_080,
    "How soon after a key was destroyed Redis rewrites its append-only file, which still tells of it.",
    "minutes",
  ),
});
