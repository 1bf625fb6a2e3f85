/** Fields that several routes share. */
import { z } from "zod";
import { opaqueReference } from "../model/consent-record.ts";
import type { DeviceId, SubjectId } from "../model/ids.ts";

const id = z.string().regex(/^[A-Za-z0-9_.:-]{1,128}$/);

export const deviceId = id.meta({ examples: ["hub-42"] }) as unknown as z.ZodType<DeviceId, string>;
const subjectId = id.meta({ examples: ["s-7f3a"] }) as unknown as z.ZodType<SubjectId, string>;

export const subjectPath = z.strictObject({ subject: subjectId });
export const devicePath = z.strictObject({ device: deviceId });
export const subjectDevicePath = z.strictObject({ subject: subjectId, device: deviceId });

export const guardianRef = opaqueReference
  .optional()
  .describe(
    "`evidenceRef` of the verified guardian on file, on whose authority this is stated: needed to act as the guardian, or to replace them.",
  );
