/** Examples for the OpenAPI description; a test keeps each true to its schema. */

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
  schemaVersion: 1,
  subject: SUBJECT,
  controller: "vendor",
  fence: 0,
  head: HEAD,
  minor: false,
  consent: {
    state: "given",
    recordId: "0d9f6f1e-7c1b-4b9e-9d53-3f6a4f0c2b11",
    at: 1_767_225_600_000,
    ...NOTICE,
    purposes: [SCENE_TERMS],
    expiresAt: 1_798_761_600_000,
  },
  devices: [{ device: DEVICE }],
  events: [
    {
      schemaVersion: 1,
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

export const POLICY_EXAMPLE = {
  schemaVersion: 1,
  version: 2,
  effectiveFrom: "2026-01-01",
  language: "en",
  title: "Smart-home telemetry",
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
