/** Fields that several routes share. */
import { z } from "zod";
import { opaqueReference } from "../model/consent-record.ts";
import type { DeviceId, DeviceKey, SubjectId, SubjectTag } from "../model/ids.ts";

/** Keyed hashes and hashes of records as they look, for the examples of the OpenAPI description; a test keeps each true to its schema. */
export const EXAMPLE = {
  subject: "Zk3vT9qLm2Xc7bNfR1wYsA" as SubjectTag,
  device: "b7Q1xUe0cJ4kVh9tLz2MrS" as DeviceKey,
  policyHash: "mL0V1cPq4o8s2Zk7Yw3TnXbR5dGfH6jKaE9uSiWvQyM",
  genesis: "9bT2vXyLr0cF4hNq7wKsJ1uEaPzDgM6iYoS3tRkBx8U",
  head: "Qw8rTzUi2oPaSdFg5hJkLyXcVbNm1qWe4RtZu7IoPlK",
};

const id = z.string().regex(/^[A-Za-z0-9_.:-]{1,128}$/);

export const deviceId = id.meta({ examples: ["hub-42"] }) as unknown as z.ZodType<DeviceId, string>;
const subjectId = id.meta({ examples: ["s-7f3a"] }) as unknown as z.ZodType<SubjectId, string>;

/** Control characters are in no name, and `#` and `+` in no topic. */
export const alias = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}#+]{1,128}$/u)
  .meta({
    description: "What the device is called on the wire. It is kept as a keyed hash only.",
    examples: ["tasmota_3D5E26"],
  });

export const done = z.null().describe("Done; no body.");

export const subjectPath = z.strictObject({ subject: subjectId });
export const devicePath = z.strictObject({ device: deviceId });
export const subjectDevicePath = z.strictObject({ subject: subjectId, device: deviceId });

export const guardianRef = opaqueReference
  .optional()
  .describe(
    "`evidenceRef` of the verified guardian on file, on whose authority this is stated: needed to act as the guardian, or to replace them.",
  );
