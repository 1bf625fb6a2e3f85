/** Options that decide what is left of a message: consent, and how coarse the result must be. */
import { z } from "zod";
import { WIDEST_ROW_STEP_MS } from "../model/durations.ts";
import { STORED_VALUES } from "../model/property.ts";
import { count, days, flag, milliseconds, path, share, text } from "./leaves.ts";

const MODEL_RULES = [
  { match: "HB-*", as: "hub" },
  { match: "BL-*", as: "bulb" },
  { match: "LK-*", as: "lock" },
  { match: "TH-*", as: "thermostat" },
  { match: "WS-*", as: "weather-station", outdoor: true },
  { match: "PH-*", as: "phone" },
  { match: "CR-*", as: "car" },
];

const contact = z.strictObject({
  name: text(
    "",
    "Who answers people's questions and complaints, as an office or a role. Shown in the privacy centre, in exports and in receipts; the contact of the newest policy comes before it.",
  ),
  email: text("", "Their e-mail address; it or a web address is needed."),
  url: text("", "Their web address, `https` only.", /^[^\p{Cc}]{0,512}$/u),
  address: text("", "Their postal address, in one line.", /^[^\p{Cc}]{0,512}$/u),
});

export const consentOptions = z.strictObject({
  leaseMs: milliseconds(
    200,
    2_000,
    30_000,
    "How long a worker may hold consent it has read; the longest a withdrawal waits.",
  ),
  controller: text(
    "the vendor of these devices",
    "Who answers for the data, as named in consent records and receipts.",
    /^[^\p{Cc}]{1,128}$/u,
  ),
  contact: contact.prefault({}),
  policyFile: path(
    "config/policies/1.json",
    "Policy document made sure of at each start: published when it is the next version, nothing when it is known; other bytes under a known version end the start.",
  ),
  expiryDays: days(1, 365, 3_650, "How long consent lasts when the record names no end."),
});

const location = z.strictObject({
  finestResolution: count(
    0,
    6,
    6,
    "Finest H3 resolution ever stored or forwarded; 6 is about 36 km², finer is not allowed.",
  ),
  defaultResolution: count(0, 3, 6, "H3 resolution of a place the density table does not know; 3 is about 12,400 km²."),
  densityFile: path(
    "config/densities.json",
    "Table of the cells in which enough people live to be told at their resolution; the start fails without it.",
  ),
  stickiness: share(
    0.15,
    0.5,
    "How far past a border, as a share of the cell's radius, a device must move before its cell changes.",
  ),
  maxDevices: count(
    1_000,
    200_000,
    10_000_000,
    "Devices whose current cell is remembered; the longest unseen are forgotten first.",
    "devices",
  ),
});

const ip = z.strictObject({
  v4PrefixBits: count(0, 16, 16, "Leading bits kept of an IPv4 address, for the network purpose alone.", "bits"),
  v6PrefixBits: count(0, 32, 32, "Leading bits kept of an IPv6 address, for the network purpose alone.", "bits"),
});

export const weatherOptions = z.strictObject({
  stepMs: milliseconds(
    60_000,
    300_000,
    900_000,
    "How often the weather of a cell is told: medians over the people who were heard in a step of this length.",
  ),
  minPeople: count(
    5,
    5,
    1_000,
    "A median is over at least this many people, and up to three more by a draw for each cell and day; else it is that of a larger cell.",
    "people",
  ),
  coarsestResolution: count(
    0,
    2,
    6,
    "Coarsest H3 resolution at which weather is told; 2 is about 87,000 km². Readings that find no crowd there are dropped.",
  ),
});

const atStepMs = z.strictObject({
  analytics: milliseconds(
    1,
    1,
    WIDEST_ROW_STEP_MS,
    "Step to which the times of stored rows are kept; within a step that is wider than a millisecond a row stands anywhere. Fine ones join stored rows with what scene services get, and tell when people come and go; 21600000 (six hours) does neither.",
  ),
  scene: milliseconds(1, 1_000, 86_400_000, "Step to which the time of a scene message is rounded down."),
});

const modelRule = z.strictObject({
  match: z
    .string()
    .regex(/^[A-Za-z0-9 _./*?+-]{1,64}$/)
    .meta({ description: "Model as the device names it; `*` stands for any run of characters, `?` for one." }),
  as: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/)
    .meta({ description: "Kind of device that is kept instead." }),
  outdoor: z
    .boolean()
    .optional()
    .meta({ description: "These devices stand in the open: what they measure is weather." }),
});

export const deidentifyOptions = z.strictObject({
  epochDays: days(
    1,
    7,
    31,
    "After this many days a device's pseudonyms change: those of its place, and for scene and network services.",
  ),
  storedNameHours: count(
    0,
    0,
    744,
    "After this many hours the name changes under which a device's status is stored; 0: with the others, after `epochDays`. A longer one gathers what links it with the next; 6 leaves little.",
    "hours",
  ),
  storedValues: z.enum(STORED_VALUES).default("steps").meta({
    description:
      "How exactly a status is stored: `steps` of the table of properties, or the `classes` of its column *stored*, in which little leads from one name of a device to the next.",
  }),
  location: location.prefault({}),
  homes: flag(
    false,
    "Tell scene services which devices are of one home, by a name of the home that changes with the epoch; only of people who consented to a policy that says so (`purposes.scene.homes`).",
  ),
  weatherInScenes: flag(
    false,
    "Tell scene services also what a device in the open measures of the weather (temperature, humidity, wind, …). Who hears both scenes and the weather of cells finds the place of such a device by comparing them.",
  ),
  models: z.array(modelRule).max(1_000).default(MODEL_RULES).meta({
    description:
      "Rules that turn a model into a kind of device, the first match wins; a model without a rule becomes `other`.",
  }),
  ip: ip.prefault({}),
  atStepMs: atStepMs.prefault({}),
});

export const networkOptions = z.strictObject({
  stepMinutes: count(
    5,
    5,
    60,
    "What a network service is told of devices leaves once in so many minutes, in random order: changes at the next step, each device once an hour.",
    "minutes",
  ),
});

export const currentOptions = z.strictObject({
  forMinutes: count(
    0,
    0,
    1_440,
    "A service that subscribes to `processed/<purpose>/$current` is sent once the latest message of each name or cell that is not older than this. For scenes the last message of each device is then kept in Redis for so long, sealed; 0: there is no such topic, and nothing is kept for services.",
    "minutes",
  ),
});

export const placeOptions = z.strictObject({
  stepMinutes: count(
    5,
    15,
    1_440,
    "Places are stored once in so many minutes, all that changed together and in random order.",
    "minutes",
  ),
  leastSubjects: count(
    5,
    5,
    1_000,
    "Fewer people than this in a cell, yesterday and today (UTC), and a wider one is stored instead, or nothing.",
    "people",
  ),
});
