/** Options of the privacy centre: the page on which people see and change what is done with their data. */
import { z } from "zod";
import { MAX_CENTRE_MINUTES, MAX_STAY_MINUTES } from "../model/centre.ts";
import { count, flag } from "./leaves.ts";

/** Credentials, a query or a fragment would end up in every link. */
const plainUrl = z.url({ protocol: /^https?$/ }).refine((value) => !/[@?#]/.test(value));

const publicUrl = z
  .string()
  .max(2_048)
  .refine((value) => value === "" || plainUrl.safeParse(value).success, { error: "not-a-plain-http-url" })
  .default("")
  .meta({
    description:
      "Address under which people reach the HTTP interface, without `/centre`; links begin with it. Empty: the address it listens on.",
  });

export const centreOptions = z.strictObject({
  enabled: flag(true, "Serve the privacy centre under `/centre/` and let the account service issue links to it."),
  linkSeconds: count(
    10,
    MAX_CENTRE_MINUTES * 60,
    MAX_CENTRE_MINUTES * 60,
    "Longest time a link may wait to be opened.",
    "seconds",
  ),
  sessionMinutes: count(
    1,
    MAX_CENTRE_MINUTES,
    MAX_CENTRE_MINUTES,
    "How long a session lasts, and for how long it goes on each time the person says that they stay.",
    "minutes",
  ),
  sessionMaxMinutes: count(
    1,
    60,
    MAX_STAY_MINUTES,
    "How long a session lasts at most, however often the person stays.",
    "minutes",
  ),
  publicUrl,
});
