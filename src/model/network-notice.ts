/** What a network service may have told to a device: that it, or the line it is on, cannot be reached. No text, no address. */
import { z } from "zod";

/** Larger is refused unread. */
export const MAX_NETWORK_NOTICE_BYTES = 1_024;

export const NetworkNotice = z.strictObject({
  type: z.enum(["unreachable", "outage"]).meta({
    description: "`unreachable`: this device is not heard of. `outage`: many devices of its prefix are not.",
  }),
  since: z.int().min(0).meta({ description: "Unix ms; not to come, and within the last 31 days." }),
  prefix: z
    .string()
    .max(43)
    .regex(/^[0-9a-f.:]+\/[0-9]{1,3}$/)
    .optional()
    .meta({ description: "As `processed/network` told it; never an address." }),
});
export type NetworkNotice = z.infer<typeof NetworkNotice>;

/** The same, for documents; the dialect is said by what it stands in. */
export const NETWORK_NOTICE_SCHEMA: Readonly<Record<string, unknown>> = {
  ...z.toJSONSchema(NetworkNotice),
  $schema: undefined,
};
