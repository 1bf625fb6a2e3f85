/** Links to the privacy centre: the account service knows the person, and hands them a way in that is good once. */
import { z } from "zod";
import { MAX_CENTRE_MINUTES } from "../../model/centre.ts";
import { countryCode, statedMethod, statedReference, timestampMs } from "../../model/consent-record.ts";
import { tokenOf } from "../access.ts";
import { stated } from "../audited.ts";
import { sealLink } from "../centre/claims.ts";
import { guardianRefusal } from "../centre/guardian.ts";
import { devicesEver } from "../centre/record.ts";
import { CENTRE_PATH } from "../centre/session.ts";
import type { Scope } from "../contract.ts";
import { deviceId, guardianRef, subjectPath } from "../fields.ts";
import type { CentrePort, HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";

const MAX_DEVICES = 64;
const EXAMPLE = {
  by: "subject",
  jurisdiction: ["IN"],
  devices: [{ device: "hub-42", label: "Hallway hub" }],
};
const GUARDIAN_EXAMPLE = {
  by: "guardian",
  jurisdiction: ["IN"],
  verification: { method: "id-check", evidenceRef: "guardian:7f31" },
};

const label = z
  .string()
  .regex(/^[^\p{C}]{1,64}$/u)
  .describe("What the person calls the device. It travels inside the link and rests nowhere here.");

const linkBody = z
  .strictObject({
    by: z
      .enum(["subject", "guardian"])
      .describe("Who will open it. A link for a guardian says that the subject is a minor."),
    guardianRef,
    verification: z
      .strictObject({ method: statedMethod, evidenceRef: statedReference })
      .optional()
      .describe("How the guardian was verified; needed until a verified one is on file, and to replace that one."),
    jurisdiction: z.array(countryCode).min(1).max(16).describe("As for consent, which may be given through this link."),
    devices: z
      .array(z.strictObject({ device: deviceId, label }))
      .max(MAX_DEVICES)
      .default([])
      .describe("Names to show; devices without one are numbered."),
    ttlSeconds: z
      .number()
      .int()
      .min(1)
      .max(MAX_CENTRE_MINUTES * 60)
      .optional()
      .describe("Absent: as configured."),
  })
  .refine((body) => body.by === "guardian" || (body.verification ?? body.guardianRef) === undefined, {
    path: ["verification"],
  })
  .meta({ examples: [EXAMPLE, GUARDIAN_EXAMPLE] });

const linkAnswer = z
  .strictObject({ url: z.string(), expiresAt: timestampMs })
  .describe("For the person alone, and good once. What stands behind the `#` reaches no server and no log.")
  .meta({ examples: [{ url: "https://privacy.example/centre/#1.qY7d…", expiresAt: 1_767_226_500_000 }] });

/** `listening`: where the gateway itself is reached, when no other address is configured. */
export function linkRoutes(scope: Scope, ports: HttpPorts, centre: CentrePort, listening: () => string): void {
  scope.post(
    "/v1/subjects/:subject/links",
    {
      config: {
        audit: { act: "link-issued", detail: stated },
        problems: [
          "conflict",
          "unknown-subject",
          "device-not-bound",
          "guardian-mismatch",
          "guardian-unverified",
          "link-too-large",
        ],
      },
      schema: {
        operationId: "issueLink",
        tags: ["privacy centre"],
        summary: "A link to the privacy centre",
        description:
          "Opens the page on which a person sees and changes everything about their data here, or a guardian does for a child. Good once, and for minutes.",
        params: subjectPath,
        body: linkBody,
        response: {
          201: linkAnswer,
        },
      },
    },
    async (request, reply) => {
      const { devices, ttlSeconds = centre.linkSeconds, ...who } = request.body;
      const tag = ports.lookup.subjectTag(request.params.subject);
      const record = await ports.ledger.record(tag);
      if (record === undefined) return refuse(reply, "unknown-subject");
      const refusal = guardianRefusal(record, who);
      if (refusal !== undefined) return refuse(reply, refusal);
      const known = devicesEver(record);
      const bound = new Set(record.devices.map(({ device }) => device));
      const labels: [number, string][] = [];
      for (const { device, label } of devices) {
        const key = ports.lookup.deviceKey(device);
        if (!bound.has(key)) return refuse(reply, "device-not-bound");
        labels.push([known.indexOf(key) + 1, label]);
      }
      const expiresAt = Date.now() + Math.min(ttlSeconds, centre.linkSeconds) * 1_000;
      const use = tokenOf(request);
      const via = use && { name: use.name, digest: use.digest };
      const link = sealLink(centre.links, { ...who, tag, labels, ...(via && { via }) }, expiresAt);
      if (link === undefined) return refuse(reply, "link-too-large");
      const url = `${centre.publicUrl?.replace(/\/+$/, "") ?? listening()}${CENTRE_PATH}/#${link.token}`;
      return reply.code(201).header("cache-control", "no-store").send({ url, expiresAt });
    },
  );
}
