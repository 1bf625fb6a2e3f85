/** What the OpenAPI description says beside its routes: what it is of, where it is served, and what belongs to each tag. */

export const API_INFO = {
  title: "Consentry",
  version: "1",
  description: "Devices, consent and policies of a telemetry gateway that stores nothing without consent.",
  license: { name: "Apache License 2.0", identifier: "Apache-2.0" },
};

/** Relative to the address of the description, which a program reads from the gateway itself. */
export const SERVERS = [{ url: "/", description: "The gateway that serves this description." }];

export const TAGS = [
  { name: "devices", description: "Tokens of devices, to whom a device is bound, hubs and the devices behind them." },
  { name: "consent", description: "What people said, as a record that only grows, and taking it back." },
  { name: "erasure", description: "Deleting what is stored of a person, followed to its signed receipt." },
  { name: "access", description: "Everything that is held about a person." },
  { name: "disclosures", description: "Who was given what, and how much." },
  { name: "policies", description: "The texts that consent refers to, version by version." },
  { name: "services", description: "Services that are given data over MQTT, and their tokens." },
  { name: "legal holds", description: "Keeping what the law says must be kept; two approvers decide." },
  { name: "audit", description: "The chained log of every act." },
  { name: "operation", description: "What an operator does to a running gateway." },
  {
    name: "privacy centre",
    description: "The page on which people see and decide for themselves; for its own script.",
  },
  { name: "health", description: "For supervisors, balancers and Prometheus." },
];
