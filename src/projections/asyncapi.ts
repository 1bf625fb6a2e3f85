/**
 * The AsyncAPI 3 document of what services receive and send over MQTT, made of the same table as the packets. It is served beside
 * OpenAPI for the properties that are configured, and kept in `docs/asyncapi.json` for those of the shipped configuration.
 */
import { NETWORK_NOTICE_SCHEMA } from "../model/network-notice.ts";
import type { Property } from "../model/property.ts";
import { NAMED_SERVICE_PURPOSES, SERVICE_PURPOSES, type ServicePurpose } from "../model/purposes.ts";
import { COMMAND_PARAMETERS, COMMAND_SCHEMA, OUTCOME_SCHEMA } from "./commands.ts";
import { FORECAST } from "./forecast.ts";
import { PROJECTIONS } from "./projections.ts";
import { DIALECT, type JsonSchema, packetSchema } from "./schemas.ts";

const PSEUDONYM = { type: "string", pattern: "^[A-Za-z0-9_-]{22}$" };
const ERASURE_ID = { type: "string", format: "uuid" };

const FORGET: JsonSchema = {
  type: "object",
  title: "privacy/erased",
  description: "Pseudonyms to forget; delete what is held under them, and answer.",
  properties: {
    id: {
      ...ERASURE_ID,
      description: "Of this digest, which is for one service of one purpose; to be repeated in the answer.",
    },
    part: { type: "integer", minimum: 1 },
    parts: { type: "integer", minimum: 1, description: "Answer when all of them were dealt with." },
    at: { type: "integer", minimum: 0, description: "When the digest was made; Unix ms." },
    pseudonyms: {
      type: "array",
      items: PSEUDONYM,
      minItems: 1,
      description:
        "Names of the present and the former epoch that went to this service, of everyone erased lately, in random order.",
    },
  },
  required: ["id", "part", "parts", "at", "pseudonyms"],
  additionalProperties: false,
};

const FORGOTTEN: JsonSchema = {
  type: "object",
  title: "privacy/erased/ack",
  description: "Everything under the pseudonyms of this id was deleted.",
  properties: { id: ERASURE_ID },
  required: ["id"],
};

interface Message {
  readonly name: string;
  readonly address: string;
  readonly parameters?: Readonly<Record<string, { readonly description: string; readonly enum?: readonly string[] }>>;
  /** By the gateway, or by the service. */
  readonly from: "gateway" | "service";
  readonly summary: string;
  readonly payload: JsonSchema;
}

export function asyncApi(properties: readonly Property[], version: string): JsonSchema {
  const messages = [
    ...SERVICE_PURPOSES.map((purpose) => processed(purpose, properties)),
    ...NAMED_SERVICE_PURPOSES.flatMap(erased),
    ...COMMANDS,
    FORECAST_MESSAGE,
    NETWORK_NOTICE,
  ];
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Consentry, for services",
      version,
      description:
        "What weather, scene and network services receive over MQTT 3.1.1 or 5, and what they may publish. A field that a person did not consent to is left out.",
    },
    defaultContentType: "application/json",
    channels: Object.fromEntries(messages.map((message) => [message.name, channelOf(message)])),
    operations: Object.fromEntries(
      messages.map(({ name, from, summary }) => [
        `${from === "gateway" ? "send" : "receive"}-${name}`,
        {
          action: from === "gateway" ? "send" : "receive",
          channel: { $ref: `#/channels/${name}` },
          summary,
          messages: [{ $ref: `#/channels/${name}/messages/${name}` }],
        },
      ]),
    ),
    components: {
      messages: Object.fromEntries(messages.map(({ name, summary, payload }) => [name, { name, summary, payload }])),
    },
  };
}

/** One file for each purpose, to be used without AsyncAPI. */
export function schemaFile(purpose: ServicePurpose, properties: readonly Property[]): JsonSchema {
  return { $schema: DIALECT, ...packetSchema(purpose, properties) };
}

function channelOf({ name, address, parameters }: Message): JsonSchema {
  return {
    address,
    ...(parameters && { parameters }),
    messages: { [name]: { $ref: `#/components/messages/${name}` } },
  };
}

function processed(purpose: ServicePurpose, properties: readonly Property[]): Message {
  const { address, parameter, about } = PROJECTIONS[purpose];
  return {
    name: purpose,
    address,
    parameters: { [parameter.name]: { description: parameter.about } },
    from: "gateway",
    summary: about,
    payload: packetSchema(purpose, properties),
  };
}

function erased(purpose: ServicePurpose): Message[] {
  return [
    {
      name: `${purpose}-erased`,
      address: `privacy/erased/${purpose}`,
      from: "gateway",
      summary: "Pseudonyms to forget.",
      payload: FORGET,
    },
    {
      name: `${purpose}-erased-ack`,
      address: `privacy/erased/${purpose}/ack`,
      from: "service",
      summary: "The answer to it, with QoS 1.",
      payload: FORGOTTEN,
    },
  ];
}

const COMMANDS: readonly Message[] = [
  {
    name: "command",
    address: "commands/{pseudonym}/{name}",
    parameters: COMMAND_PARAMETERS,
    from: "service",
    summary: "A command of a scene service; the device gets it while consent holds.",
    payload: COMMAND_SCHEMA,
  },
  {
    name: "command-outcome",
    address: "commands/{pseudonym}/{name}/outcome",
    parameters: COMMAND_PARAMETERS,
    from: "gateway",
    summary: "What became of a command, to the service that sent it.",
    payload: OUTCOME_SCHEMA,
  },
];

const FORECAST_MESSAGE: Message = {
  name: "forecast",
  address: "weather/{cell}",
  parameters: {
    cell: {
      description: "A cell that weather services were told within seven days, or any of resolution 2 or coarser.",
    },
  },
  from: "service",
  summary: "A forecast of a weather service; devices below the cell get it while their consent holds.",
  payload: FORECAST,
};

const NETWORK_NOTICE: Message = {
  name: "network-notice",
  address: "network/{pseudonym}",
  parameters: { pseudonym: { description: "The network pseudonym of a device, of the present epoch." } },
  from: "service",
  summary:
    "That a device, or the line it is on, is not heard of; the device gets it while consent holds and it is connected.",
  payload: NETWORK_NOTICE_SCHEMA,
};
