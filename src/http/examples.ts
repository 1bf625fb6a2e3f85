/** Examples for the OpenAPI description; a test keeps each true to its schema. */
import type { DeviceKey, SubjectTag } from "../model/ids.ts";

const POLICY_HASH = "mL0V1cPq4o8s2Zk7Yw3TnXbR5dGfH6jKaE9uSiWvQyM";
const GENESIS = "9bT2vXyLr0cF4hNq7wKsJ1uEaPzDgM6iYoS3tRkBx8U";
const HEAD = "Qw8rTzUi2oPaSdFg5hJkLyXcVbNm1qWe4RtZu7IoPlK";
const SUBJECT = "Zk3vT9qLm2Xc7bNfR1wYsA";
const DEVICE = "b7Q1xUe0cJ4kVh9tLz2MrS";

export const CONSENT_EXAMPLE = {
  policyVersion: 1,
  purposes: { weather: ["location"], scene: ["model", "status"] },
  method: "app",
  by: "subject",
  language: "en",
  jurisdiction: ["IN"],
  evidenceRef: "form:2f81",
};

/** A child asks, and a guardian is to answer. */
export const CHILD_ASKS_EXAMPLE = { ...CONSENT_EXAMPLE, state: "requested", minor: true };

const SCENE_TERMS = {
  id: "scene",
  basis: "consent",
  categories: ["status"],
  recipients: ["scene services"],
  retentionDays: 0,
  regions: ["IN"],
};

const NOTICE = {
  controller: "vendor",
  policyVersion: 1,
  policyHash: POLICY_HASH,
  noticeLanguage: "en",
  jurisdiction: ["IN"],
};

export const RECORD_EXAMPLE = {
  schemaVersion: 2,
  subject: SUBJECT,
  controller: "vendor",
  fence: 0,
  epoch: 0,
  head: HEAD,
  minor: false,
  holds: [],
  consent: {
    state: "given",
    recordId: "0d9f6f1e-7c1b-4b9e-9d53-3f6a4f0c2b11",
    at: 1_767_225_600_000,
    ...NOTICE,
    purposes: [SCENE_TERMS],
    expiresAt: 1_798_761_600_000,
    suspended: { version: 2, purposes: ["scene"] },
  },
  devices: [{ device: DEVICE }],
  events: [
    {
      schemaVersion: 2,
      recordId: "0d9f6f1e-7c1b-4b9e-9d53-3f6a4f0c2b11",
      at: 1_767_225_600_000,
      by: "subject",
      method: "app",
      fence: 0,
      prevHash: GENESIS,
      type: "given",
      ...NOTICE,
      purposes: [SCENE_TERMS],
      expiresAt: 1_798_761_600_000,
    },
  ],
};

const { holds: _, devices: __, events: ___, ...SHORT } = RECORD_EXAMPLE;
export const STATEMENT_EXAMPLE = { ...SHORT, recorded: true };

export const CONSENT_RECEIPT_EXAMPLE = {
  receipt: {
    kind: "consent-receipt",
    receiptId: "5b0f9e52-4a3e-4c5e-9f0f-2d8f1f6f3c9a",
    issuedAt: 1_767_225_600_500,
    ...RECORD_EXAMPLE,
  },
  protected: "eyJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsifQ",
  signature: "q9p1cT0oPqfE6d0l7oC2mS8w3m7zI5n1b4k8y2r6u0v9x3t5s7a1d4f6g8h0j2l4z6x8c0v2b4n6m8Q0W2E4Rg",
};

export const POLICY_EXAMPLE = {
  schemaVersion: 1,
  version: 2,
  effectiveFrom: "2026-01-01",
  language: "en",
  title: "Smart-home telemetry",
  source: {
    title: "Privacy Policy",
    updated: "2026-01-01",
    file: "2.txt",
    sha256: "0c3e1b6f5a9d4872e1f0b3c6d9a8e7f4051627384950a1b2c3d4e5f60718293a",
  },
  change: { kind: "material", summary: "States are kept for two years.", affects: ["analytics"] },
  purposes: {
    analytics: {
      description: "Processed device states are stored to improve the products.",
      basis: "consent",
      categories: ["model", "status"],
      recipients: ["controller"],
      retentionDays: 730,
      regions: ["IN"],
    },
  },
  statements: [{ clause: "5", says: "Data is kept no longer than the days stated for the purpose." }],
};

export const AUDIT_EXAMPLE = {
  records: [
    {
      index: 41,
      at: 1_767_225_600_000,
      act: "consent-withdrawn",
      by: "account-service",
      subject: SUBJECT,
      outcome: "asked",
      detail: { stated: "subject" },
      prev: GENESIS,
    },
    {
      index: 42,
      at: 1_767_225_600_120,
      act: "consent-withdrawn",
      by: "account-service",
      subject: SUBJECT,
      outcome: "done",
      of: 41,
      prev: HEAD,
    },
  ],
  first: 0,
  head: { next: 43, hash: POLICY_HASH },
};

const DISCLOSURE = {
  recipient: "scenes",
  purpose: "scene" as const,
  day: "2026-03-07",
  count: 1_204,
  region: "IN",
  contract: "dpa:2026-03",
};

export const DISCLOSURES_EXAMPLE = { disclosures: [DISCLOSURE] };
export const DISCLOSURE_TOTALS_EXAMPLE = {
  from: "2026-02-05",
  to: "2026-03-07",
  disclosures: [{ ...DISCLOSURE, count: 8_120_433 }],
};

export const HOLD_EXAMPLE = { reference: "court:2026-118", until: 1_798_761_600_000, scope: { devices: ["hub-42"] } };

export const HOLDS_EXAMPLE = {
  standing: [{ ref: "court:2026-118", until: 1_798_761_600_000, devices: [DEVICE] }],
  proposed: [{ ref: "court:2026-204", until: 1_798_761_600_000, approver: "legal", at: 1_767_225_600_000 }],
};

const ERASURE = "7b1f0b52-4a3e-4c5e-9f0f-2d8f1f6f3c9a";
const KEY_ID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

export const OPEN_ERASURE_EXAMPLE = {
  id: ERASURE,
  state: "running" as const,
  step: "delete" as const,
  requestedAt: 1_767_225_600_000,
  waiting: { code: "SINK_UNAVAILABLE", since: 1_767_225_601_000 },
  services: [],
};

export const ERASURE_EXAMPLE = {
  id: ERASURE,
  state: "completed" as const,
  requestedAt: 1_767_225_600_000,
  completedAt: 1_767_225_606_200,
  services: [{ purpose: "scene" as const, notified: 1, acknowledged: 1, unacknowledged: 0 }],
  receipt: {
    receipt: {
      schemaVersion: 1 as const,
      id: ERASURE,
      controller: "vendor",
      requestedAt: 1_767_225_600_000,
      completedAt: 1_767_225_606_200,
      sinks: [{ name: "influx", region: "IN", rowsDeleted: 1_204, verified: true, method: "deleted" as const }],
      services: [{ purpose: "scene" as const, notified: 1, acknowledged: 1, unacknowledged: 0 }],
      keyDestroyed: true,
      policyVersion: 1,
      ledgerHead: HEAD,
    },
    protected: "eyJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsifQ",
    signature: "q9p1cT0oPqfE6d0l7oC2mS8w3m7zI5n1b4k8y2r6u0v9x3t5s7a1d4f6g8h0j2l4z6x8c0v2b4n6m8Q0W2E4Rg",
  },
};

export const RECEIPT_KEY_EXAMPLE = {
  kid: KEY_ID,
  alg: "EdDSA" as const,
  pem: "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n",
  jwk: { kty: "OKP" as const, crv: "Ed25519" as const, x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
};

export const EXPORT_EXAMPLE = [
  {
    kind: "export" as const,
    format: 1 as const,
    at: 1_767_225_600_000,
    controller: "vendor",
    subject: SUBJECT as SubjectTag,
    by: "subject" as const,
  },
  { kind: "device" as const, device: DEVICE as DeviceKey, bound: true, asked: 0 },
  {
    kind: "decision" as const,
    device: DEVICE as DeviceKey,
    state: "given" as const,
    given: { analytics: ["location" as const, "status" as const] },
    used: { analytics: ["location" as const, "status" as const] },
    suspended: [],
    policyVersion: 1,
    expiresAt: 1_798_761_600_000,
    minor: false,
    guardianVerified: false,
    held: false,
  },
  {
    kind: "disclosure" as const,
    recipient: "weather-service",
    purpose: "weather" as const,
    day: "2025-12-31",
    count: 48,
    region: "IN",
  },
  {
    kind: "location" as const,
    device: DEVICE as DeviceKey,
    cell: "8560145bfffffff",
    resolution: 5,
    epochStart: 1_766_620_800_000,
    center: { lat: 12.9716, lon: 77.5946 },
  },
  {
    kind: "status" as const,
    device: DEVICE as DeviceKey,
    at: 1_767_225_599_123,
    timeNs: "1767225599123000456",
    model: "hub",
    status: { power_on: true, temperature: 21.5, preset: "eco" },
  },
  {
    kind: "end" as const,
    counts: { devices: 1, locations: 1, statuses: 1, setAside: 0, disclosures: 1 },
    sha256: "0c3e1b6f5a9d4872e1f0b3c6d9a8e7f4051627384950a1b2c3d4e5f60718293a",
  },
];

export const EXPORT_SUMMARY_EXAMPLE = "What is held about you\n======================\n";

const STANDING = {
  state: "given" as const,
  used: { scene: ["status" as const] },
  waiting: {},
  suspended: [],
  at: 1_767_225_600_000,
  expiresAt: 1_798_761_600_000,
  policyVersion: 1,
};

export const OVERVIEW_EXAMPLE = {
  now: 1_767_225_600_000,
  by: "subject" as const,
  session: "mL0V1cPq4o8s2Zk7Yw3TnX",
  endsAt: 1_767_226_500_000,
  endsAtLatest: 1_767_229_200_000,
  controller: "vendor",
  head: HEAD,
  policy: {
    version: 1,
    title: "Smart-home telemetry",
    language: "en",
    effectiveFrom: "2022-06-17",
    hash: POLICY_HASH,
    statements: [{ clause: "2.3", says: "Saying no to one purpose leaves the others as they are." }],
  },
  minor: false,
  guardian: false,
  standing: STANDING,
  purposes: [
    {
      id: "scene" as const,
      description: "Device states under a pseudonym let a scene service act on what happens at home.",
      basis: "consent" as const,
      recipients: ["scene services"],
      regions: ["IN"],
      retentionDays: 0,
      offered: ["model" as const, "status" as const],
      needs: ["status" as const],
      closed: false,
    },
  ],
  devices: [{ number: 1, label: "Hallway hub", held: false }],
  disclosed: [],
  closed: false,
};
