/** What the routes of services take and answer. */
import { z } from "zod";
import { statedReference, timestampMs } from "../../model/consent-record.ts";
import { CATEGORIES, SERVICE_PURPOSES } from "../../model/purposes.ts";
import { MAX_CONNECTIONS, PUBLISHES_PER_SECOND, SERVICE_NAME, SERVICE_ORIGINS } from "../../model/service.ts";
import { SERVICE_RELATIONS } from "../../model/service-terms.ts";

const name = z
  .string()
  .regex(SERVICE_NAME)
  .meta({ examples: ["scenes-north"] });
export const servicePath = z.strictObject({ name });
export const tokenPath = servicePath.extend({
  number: z
    .string()
    .regex(/^[1-9][0-9]{0,8}$/)
    .meta({ examples: ["1"] }),
});

const bound = ({ lowest, usual, highest }: typeof MAX_CONNECTIONS | typeof PUBLISHES_PER_SECOND) =>
  z.number().int().min(lowest).max(highest).default(usual);

const terms = {
  purposes: z
    .array(z.enum(SERVICE_PURPOSES))
    .max(SERVICE_PURPOSES.length)
    .describe("What it may subscribe to. None: it gets nothing more, and is still told which names to forget."),
  categories: z
    .array(z.enum(CATEGORIES))
    .min(1)
    .max(CATEGORIES.length)
    .optional()
    .describe("Of what its purposes may use it gets these. They can narrow that, and not widen it. Absent: all of it."),
  region: z
    .string()
    .regex(/^[A-Z]{2}(?:-[A-Z0-9]{1,3})?$/)
    .describe("Where it is run: ISO 3166 country, optionally a subdivision."),
  relation: z
    .enum(SERVICE_RELATIONS)
    .describe("`processor`: works for the controller, under a contract; `third-party`: works for itself."),
  recipient: z
    .string()
    .regex(/^[^\p{Cc}]{1,128}$/u)
    .describe("Which of the recipients that the policy names it is, word for word. It can't change under one name."),
  contractRef: statedReference.optional().describe("Code of the contract with it; a processor needs one."),
};
export const entry = z
  .strictObject({
    ...terms,
    maxConnections: bound(MAX_CONNECTIONS).describe("Connections at one time, to each gateway."),
    publishesPerSecond: bound(PUBLISHES_PER_SECOND).describe("Commands and answers a second, to each gateway."),
  })
  .meta({
    examples: [
      {
        purposes: ["scene"],
        categories: ["status"],
        region: "IN",
        relation: "processor",
        recipient: "scene services",
        contractRef: "dpa-2026-3",
      },
    ],
  });

const EXAMPLE = {
  name: "scenes-north",
  origin: "registry" as const,
  purposes: ["scene" as const],
  former: [],
  categories: ["status" as const],
  region: "IN",
  relation: "processor" as const,
  recipient: "scene services",
  contractRef: "dpa-2026-3",
  maxConnections: 64,
  publishesPerSecond: 1_000,
  tokens: [{ number: 1, issuedAt: 1_767_225_600_000 }],
  revision: 1_767_225_600_001,
  given: ["scene" as const],
};
export const answer = z
  .strictObject({
    name,
    origin: z.enum(SERVICE_ORIGINS).describe("`file`: the configuration file names it, and it changes there alone."),
    ...terms,
    former: z.array(z.enum(SERVICE_PURPOSES)).describe("Purposes it had before: it is told of their erasures."),
    contractRef: z.string().optional(),
    recipient: z.string(),
    maxConnections: z.number().int(),
    publishesPerSecond: z.number().int(),
    tokens: z
      .array(z.strictObject({ number: z.number().int(), issuedAt: timestampMs }))
      .describe("That it can log in with. Of one in the configuration file nothing is said."),
    revision: z.number().int().optional().describe("As in the ETag. Of a service of the file there is none."),
    given: z
      .array(z.enum(SERVICE_PURPOSES))
      .describe("Purposes for which the newest policy lets it be given anything, as this gateway knows it."),
  })
  .meta({ examples: [EXAMPLE] });
export type Answer = z.infer<typeof answer>;

export const listAnswer = z.strictObject({ services: z.array(answer) }).meta({ examples: [{ services: [EXAMPLE] }] });
export const tokenAnswer = z
  .strictObject({ token: z.string(), number: z.number().int() })
  .describe("The new token. It is shown this once and kept only as a keyed hash.")
  .meta({ examples: [{ token: "8Xq0w1n2f9aQ5cVbL7eR3tYu6iOp4sDfGhJkZxCvBnM", number: 1 }] });

export const ifMatch = z.looseObject({
  "if-match": z
    .string()
    .regex(/^"[0-9]{1,16}"$/)
    .optional()
    .meta({
      description: "The ETag that the entry must have; a change of an entry that has another one is refused.",
      examples: ['"1767225600001"'],
    }),
  "if-none-match": z
    .literal("*")
    .optional()
    .meta({
      description: "There must be no such service yet.",
      examples: ["*"],
    }),
});
