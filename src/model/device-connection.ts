/** How a device reaches the gateway, as its owner is told: in which dialect, behind which hub, speaking for how many others. */
import { z } from "zod";

export const childCount = z.strictObject({
  children: z.number().int().positive(),
  /** Those that are another person's. */
  otherSubjects: z.number().int().nonnegative(),
});

export const deviceConnection = z.strictObject({
  /** Absent: the gateway's own contract. */
  dialect: z.string().optional(),
  /** That it came and went is told of it. */
  presence: z.literal(true).optional(),
  /** A hub speaks for it. */
  behind: z
    .strictObject({
      /** Keyed hash of the hub; absent when it is another person's. */
      hub: z
        .string()
        .regex(/^[A-Za-z0-9_-]{22}$/)
        .optional(),
      otherSubject: z.boolean(),
    })
    .optional(),
  /** It speaks for others. */
  hub: childCount.optional(),
});
export type DeviceConnection = z.infer<typeof deviceConnection>;
