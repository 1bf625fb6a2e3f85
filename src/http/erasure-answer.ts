/** How far an erasure is, as account services and the privacy centre are answered alike. */
import { z } from "zod";
import { erasureStatus } from "../model/erasure.ts";
import { EXAMPLE } from "./fields.ts";

const ERASURE_ID = "7b1f0b52-4a3e-4c5e-9f0f-2d8f1f6f3c9a";
export const erasurePath = z.strictObject({ id: z.uuid().meta({ examples: [ERASURE_ID] }) });

export const ERASURE_EXAMPLE = {
  id: ERASURE_ID,
  state: "completed" as const,
  requestedAt: 1_767_225_600_000,
  completedAt: 1_767_225_606_200,
  services: [{ purpose: "scene" as const, notified: 1, acknowledged: 1, unacknowledged: 0 }],
  receipt: {
    receipt: {
      schemaVersion: 1 as const,
      id: ERASURE_ID,
      controller: "vendor",
      contact: { name: "Data protection office", email: "privacy@example.com" },
      requestedAt: 1_767_225_600_000,
      completedAt: 1_767_225_606_200,
      sinks: [{ name: "influx", region: "IN", rowsDeleted: 1_204, verified: true, method: "deleted" as const }],
      services: [{ purpose: "scene" as const, notified: 1, acknowledged: 1, unacknowledged: 0 }],
      keyDestroyed: true,
      policyVersion: 1,
      ledgerHead: EXAMPLE.head,
    },
    protected: "eyJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsifQ",
    signature: "q9p1cT0oPqfE6d0l7oC2mS8w3m7zI5n1b4k8y2r6u0v9x3t5s7a1d4f6g8h0j2l4z6x8c0v2b4n6m8Q0W2E4Rg",
  },
};

export const erasureAnswer = erasureStatus.meta({ examples: [ERASURE_EXAMPLE] });
