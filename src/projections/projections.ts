/**
 * What each purpose is given, as data: the fields of its packet, the category of a person's data that each is made of, and how
 * exactly. The schemas and the AsyncAPI document are made of this table, and a test holds every packet that is written to it. No
 * purpose has a field of a category that it cannot use at all (`PURPOSE_USES`), whatever a person grants.
 */
import { LONGEST_CAUSE_CHAIN } from "../model/command.ts";
import type { Category, ServicePurpose } from "../model/purposes.ts";

export interface Field {
  readonly name: string;
  /** Absent: it is made of nothing that the device said. */
  readonly of?: Category;
  /** Left out where the person did not consent to its category, or where there is nothing to say. */
  readonly optional?: true;
  readonly about: string;
  readonly schema: Readonly<Record<string, unknown>> | "status";
}

export interface Projection {
  /** AsyncAPI address of the channel. */
  readonly address: string;
  readonly parameter: { readonly name: string; readonly about: string };
  readonly about: string;
  readonly fields: readonly Field[];
  /** Which rounding of a property it gets. */
  readonly step: "sceneStep" | "weatherStep";
}

const PSEUDONYM = { type: "string", pattern: "^[A-Za-z0-9_-]{22}$" } as const;
/** H3, resolution 0 to 15. */
const CELL = { type: "string", pattern: "^8[0-9a-f]{14}$" } as const;
const TIME = { type: "integer", minimum: 0 } as const;
const FAMILY = { type: "string", minLength: 1, maxLength: 64 } as const;

const device = (purpose: ServicePurpose): Field => ({
  name: "device",
  about: `The pseudonym of the device for ${purpose} alone; it ends with its epoch.`,
  schema: PSEUDONYM,
});
const model: Field = {
  name: "model",
  of: "model",
  optional: true,
  about: "A family of models from the configuration, or `other`.",
  schema: FAMILY,
};

const current: Field = {
  name: "current",
  optional: true,
  about:
    "It was said before, and is sent to a service that subscribed to `$current`; absent in a message that has just been said.",
  schema: { const: true },
};

export const PROJECTIONS: Readonly<Record<ServicePurpose, Projection>> = {
  weather: {
    address: "processed/weather/{cell}",
    parameter: { name: "cell", about: "An H3 cell, coarse enough that enough people are in it." },
    about: "The weather of a cell, once a step: medians over a crowd of people outdoors, and no device.",
    step: "weatherStep",
    fields: [
      { name: "cell", of: "location", about: "The H3 cell.", schema: CELL },
      {
        name: "center",
        of: "location",
        about: "The centre of that cell, not of a device. Degrees.",
        schema: {
          type: "object",
          properties: {
            lat: { type: "number", minimum: -90, maximum: 90 },
            lon: { type: "number", minimum: -180, maximum: 180 },
          },
          required: ["lat", "lon"],
          additionalProperties: false,
        },
      },
      { name: "at", about: "Unix ms, the start of the step.", schema: TIME },
      { name: "status", of: "status", about: "The median of each measurement, one value a person.", schema: "status" },
      { name: "subjects", about: "That there were enough people, and not how many.", schema: { const: "5+" } },
      current,
    ],
  },
  scene: {
    address: "processed/scene/{pseudonym}",
    parameter: { name: "pseudonym", about: "The scene pseudonym of a device, for one epoch." },
    about: "The state of one device, as soon as it is known.",
    step: "sceneStep",
    fields: [
      device("scene"),
      {
        name: "home",
        optional: true,
        about:
          "The same for all devices of one person, where the gateway is set to tell it and the policy that the person consented to says so; it ends with its epoch.",
        schema: PSEUDONYM,
      },
      model,
      { name: "status", of: "status", about: "What changed or was measured.", schema: "status" },
      { name: "at", about: "Unix ms, rounded down.", schema: TIME },
      {
        name: "cause",
        optional: true,
        about:
          "How many commands led to it; of a device that was commanded a moment ago. A command that follows repeats it.",
        schema: { type: "integer", minimum: 1, maximum: LONGEST_CAUSE_CHAIN + 1 },
      },
      current,
    ],
  },
  network: {
    address: "processed/network/{pseudonym}",
    parameter: { name: "pseudonym", about: "The network pseudonym of a device, for one epoch." },
    about:
      "That a device is there, and in which network: once an hour, and at the next step when that has changed; never because a message came.",
    step: "sceneStep",
    fields: [
      device("network"),
      model,
      {
        name: "ipPrefix",
        of: "ip",
        optional: true,
        about: "The prefix of its address, never the address.",
        schema: { type: "string", pattern: "^[0-9a-f.:]+/[0-9]{1,3}$" },
      },
      { name: "at", about: "Unix ms, the start of the step.", schema: TIME },
      current,
    ],
  },
};
