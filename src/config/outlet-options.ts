/** Options of everything data leaves through: the store, the services, the HTTP interface. */
import { z } from "zod";
import { opaqueReference, statedMethod, statedReference } from "../model/consent-record.ts";
import { CATEGORIES, SERVICE_PURPOSES } from "../model/purposes.ts";
import { MAX_CONNECTIONS, MAX_SERVICES, PUBLISHES_PER_SECOND, SERVICE_NAME } from "../model/service.ts";
import { SERVICE_RELATIONS } from "../model/service-terms.ts";
import {
  bytes,
  choice,
  count,
  flag,
  milliseconds,
  optionalPath,
  plainHttpUrl,
  port,
  regionCode,
  secret,
  text,
} from "./leaves.ts";

/** Shortest token the gateway accepts as a credential of its own; 32 characters of base64url are 192 bits. */
const MIN_TOKEN_LENGTH = 32;

const influx = z.strictObject({
  url: plainHttpUrl
    .default("http://127.0.0.1:8086")
    .meta({ description: "Address of InfluxDB; credentials have options of their own." }),
  api: choice(["v1", "v2", "v3"], "v1", "Line of the server: `v1` for InfluxDB 1.x, `v2` for 2.x, `v3` for 3.x."),
  database: text("consentry", "Database (v1, v3)."),
  retentionPolicy: text("", "Retention policy (v1); empty for the database's own default."),
  org: text("", "Organisation (v2)."),
  bucket: text("", "Bucket (v2)."),
  token: secret(1, "Token the store issued (v2, v3)."),
  tokenFile: optionalPath("File that holds the token (v2, v3), readable by its owner alone."),
  username: text("", "User name (v1); empty when the store asks for none."),
  password: secret(1, "Password (v1)."),
  passwordFile: optionalPath("File that holds the password (v1), readable by its owner alone."),
  region: regionCode
    .default("IN")
    .meta({ description: "Where this store keeps its data: ISO 3166 country, optionally a subdivision." }),
  timeoutMs: milliseconds(
    50,
    1_500,
    29_999,
    "A write without an answer by then is given up and retried; must stay below `consent.leaseMs`.",
  ),
  maxLinesPerRequest: count(1, 5_000, 100_000, "Points sent in one request.", "points"),
});

const cellActivity = z.strictObject({
  windowMs: milliseconds(
    900_000,
    900_000,
    86_400_000,
    "Length of a window over which the people in a cell are counted; a whole number of them makes a day.",
  ),
  minPeople: count(
    10,
    10,
    1_000,
    "A cell is told on a UTC day once this many people, and up to five more by a draw for each cell and day, were there on the day before or have been since it began.",
    "people",
  ),
});

const breaker = z.strictObject({
  failures: count(1, 3, 1_000, "Failed writes in a row before writing pauses.", "writes"),
  openMs: milliseconds(10, 500, 600_000, "First pause; it doubles with every further failure."),
  maxOpenMs: milliseconds(10, 15_000, 3_600_000, "Longest pause."),
});

export const sinkOptions = z.strictObject({
  influx: influx.prefault({}),
  residency: z.array(regionCode).max(16).default(["IN"]).meta({
    description:
      "Regions that must hold the data before a message counts as stored; the gateway does not start without a store in each.",
  }),
  cellActivity: cellActivity.prefault({}),
  breaker: breaker.prefault({}),
});

/** What is said of a service, in the file as in the registry. */
const terms = {
  purposes: z
    .array(z.enum(SERVICE_PURPOSES))
    .min(1)
    .meta({ description: `What it may subscribe to: ${SERVICE_PURPOSES.join(", ")}.` }),
  categories: z.array(z.enum(CATEGORIES)).min(1).max(CATEGORIES.length).optional().meta({
    description:
      "Of what its purposes may use it gets these; they can narrow that, and not widen it. Without them it gets all of it.",
  }),
  region: regionCode.meta({
    description:
      "Where the service is run: ISO 3166 country, optionally a subdivision. The policy must name it for each of its purposes.",
  }),
  relation: z.enum(SERVICE_RELATIONS).meta({
    description: "`processor`: works for the controller, under a contract; `third-party`: works for itself.",
  }),
  recipient: z.string().min(1).max(128).meta({
    description: "Which of the recipients that the policy names for its purposes this service is, word for word.",
  }),
  contractRef: opaqueReference.optional().meta({
    description: "Code of the contract with it, as it stands in accounts of disclosure; a processor needs one.",
  }),
  maxConnections: count(
    MAX_CONNECTIONS.lowest,
    MAX_CONNECTIONS.usual,
    MAX_CONNECTIONS.highest,
    "Connections of the service at one time, to each gateway.",
    "connections",
  ),
  publishesPerSecond: count(
    PUBLISHES_PER_SECOND.lowest,
    PUBLISHES_PER_SECOND.usual,
    PUBLISHES_PER_SECOND.highest,
    "Commands, forecasts and answers of the service, on all of its connections to one gateway; beyond it they are refused.",
    "messages/s",
  ),
};

/** As the operator's command reads it. None of its purposes has to be there: then the service gets nothing more. */
export const serviceEntry = z.strictObject({
  ...terms,
  purposes: z.array(z.enum(SERVICE_PURPOSES)).max(SERVICE_PURPOSES.length),
  recipient: z.string().regex(/^[^\p{Cc}]{1,128}$/u),
  contractRef: statedReference.optional(),
});

const service = z.strictObject({
  name: z
    .string()
    .regex(SERVICE_NAME)
    .meta({ description: "MQTT user name of the service. It can't be registered as well: what stands here holds." }),
  ...terms,
  token: secret(MIN_TOKEN_LENGTH, "Its MQTT password."),
  tokenFile: optionalPath("File that holds its MQTT password, readable by its owner alone."),
});

export const serviceOptions = z.array(service).max(MAX_SERVICES).default([]).meta({
  description:
    "Services that may subscribe to processed topics, known from the start on. Others can be registered while the gateway runs.",
});

const approver = z.strictObject({
  name: statedMethod
    .regex(/^[a-z]/)
    .meta({ description: "Code of the approver in the audit log; not a person's name." }),
  token: secret(MIN_TOKEN_LENGTH, "Bearer token of this approver alone."),
  tokenFile: optionalPath("File that holds the token, readable by its owner alone."),
});

export const httpOptions = z.strictObject({
  host: text("127.0.0.1", "Address the HTTP interface listens on."),
  port: port(8080, "Port of the HTTP interface; 0 takes a free one."),
  token: secret(
    MIN_TOKEN_LENGTH,
    "Bearer token that opens every route but those of approvers. Better without it: tokens with a name and scopes, see `npm run tokens`.",
  ),
  tokenFile: optionalPath("File that holds the bearer token, readable by its owner alone."),
  approvers: z
    .array(approver)
    .max(32)
    .default([])
    .meta({ description: "Who may place legal holds; each hold takes two of them. Without any there are no holds." }),
  failedTokensPerMinute: count(
    1,
    60,
    100_000,
    "Wrong bearer tokens from one address (IPv4, or IPv6 /64) before the next wrong ones are answered 429. A right one is always let in.",
    "requests/min",
  ),
  maxConnections: count(
    16,
    512,
    65_536,
    "Connections to the HTTP interface. When they are used up, those on which nothing is worked on are closed for new ones.",
    "connections",
  ),
  maxConnectionsPerAddress: count(
    4,
    256,
    65_536,
    "The same from one address (IPv4, or IPv6 /64), a proxy's included.",
    "connections",
  ),
  keptAnswers: count(
    1,
    10_000,
    1_000_000,
    "Answers kept, sealed, for requests that come again under the same Idempotency-Key; above it the oldest are forgotten.",
    "answers",
  ),
  keptAnswerHours: count(1, 24, 168, "How long each is kept.", "hours"),
  bodyLimitBytes: bytes(1_024, 65_536, 1_048_576, "Largest request body."),
});

export const metricsOptions = z.strictObject({
  enabled: flag(
    false,
    "Serve `/metrics`, `/livez` and `/readyz` on a listener of their own, from the start of the process to its end. `/metrics` is not on the HTTP interface then.",
  ),
  host: text("127.0.0.1", "Address that listener listens on."),
  port: port(8081, "Its port; 0 takes a free one."),
  token: secret(
    MIN_TOKEN_LENGTH,
    "Bearer token that reads all metrics and opens nothing else. With it, `/metrics` answers no one without a token.",
  ),
  tokenFile: optionalPath("File that holds that token, readable by its owner alone."),
  maxConnections: count(
    2,
    32,
    1_024,
    "Connections to that listener. When they are used up, those on which nothing is worked on are closed for new ones.",
    "connections",
  ),
});
