import specs from "@asyncapi/specs";
import { Ajv } from "ajv";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StatusFilter } from "../deidentify/status.ts";
import { PURPOSE_USES } from "../model/consent.ts";
import type { StatusFields } from "../model/deidentified.ts";
import type { Property } from "../model/property.ts";
import { CATEGORIES, SERVICE_PURPOSES, type ServicePurpose } from "../model/purposes.ts";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { asyncApi, schemaFile } from "./asyncapi.ts";
import { COMMAND_SCHEMA, OUTCOME_SCHEMA } from "./commands.ts";
import { PROJECTIONS } from "./projections.ts";

const { properties } = new Vocabulary();
const DEVICE = "YR5rJ6WnmmG9Nxvsc19WsQ";
const CELL = "8660145b7ffffff";
const CENTER = { lat: 12.9935, lon: 77.5738 };

const ajv = new Ajv2020({ strict: false, validateFormats: false });
const checks = new Map(SERVICE_PURPOSES.map((purpose) => [purpose, ajv.compile(schemaFile(purpose, properties))]));
const fits = (purpose: ServicePurpose, packet: unknown): boolean =>
  (checks.get(purpose) as ValidateFunction)(packet) === true;

/** One of each, whole. */
const WHOLE: Readonly<Record<ServicePurpose, Readonly<Record<string, unknown>>>> = {
  weather: { cell: CELL, center: CENTER, at: 300_000, status: { temperature: 21.5, humidity: 64 }, subjects: "5+" },
  scene: {
    device: DEVICE,
    home: DEVICE,
    model: "hub",
    status: { power_on: true, temperature: 21.5 },
    at: 1_000,
    cause: 1,
  },
  network: { device: DEVICE, model: "hub", ipPrefix: "203.0.0.0/16", at: 60_000 },
};

describe("a projection", () => {
  it("has no field of a category that its purpose cannot use", () => {
    for (const purpose of SERVICE_PURPOSES) {
      for (const { name, of } of PROJECTIONS[purpose].fields) {
        if (of === undefined) continue;
        const bit = 1 << CATEGORIES.indexOf(of);
        expect([purpose, name, (PURPOSE_USES[purpose] & bit) !== 0]).toEqual([purpose, name, true]);
      }
    }
  });

  it.each(SERVICE_PURPOSES)(
    "of %s is what its schema takes, and one more field is refused wherever it stands",
    (purpose) => {
      const whole = WHOLE[purpose];
      expect(fits(purpose, whole)).toBe(true);
      for (const extra of ["id", "ip", "lat", "subject", "device", "ipPrefix", "cell", "name"]) {
        if (!(extra in whole)) expect([extra, fits(purpose, { ...whole, [extra]: DEVICE })]).toEqual([extra, false]);
        if (whole.status === undefined) continue;
        expect(fits(purpose, { ...whole, status: { ...whole.status, [extra]: DEVICE } })).toBe(false);
      }
    },
  );

  it.each(SERVICE_PURPOSES)("of %s may lack what the person did not consent to, and nothing else", (purpose) => {
    for (const { name, optional = false } of PROJECTIONS[purpose].fields) {
      const { [name]: _left, ...rest } = WHOLE[purpose];
      expect([name, fits(purpose, rest)]).toEqual([name, optional]);
    }
  });

  it("tells weather services neither flags nor words, and measurements of the sky alone", () => {
    const { weather } = WHOLE;
    for (const property of properties) {
      const value = property.kind === "flag" ? true : property.kind === "word" ? [...property.words][0] : property.max;
      const told = fits("weather", { ...weather, status: { [property.name]: value } });
      expect([property.name, told]).toEqual([property.name, property.weatherStep !== undefined]);
      expect(fits("scene", { ...WHOLE.scene, status: { [property.name]: value } })).toBe(true);
    }
  });

  it("keeps values in their range and words in their list", () => {
    for (const status of [
      { temperature: 1e6 },
      { power_on: "on" },
      { lock: "ajar", door: 3 },
      {},
      { temperature: "21" },
    ])
      expect(fits("scene", { ...WHOLE.scene, status })).toBe(false);
  });
});

/** Whatever kind a property is of, and now and then what it must not be. */
const anyValue = (property: Property): fc.Arbitrary<unknown> =>
  fc.oneof(
    { arbitrary: fc.double({ min: property.min, max: property.max, noNaN: true }), weight: 4 },
    fc.boolean(),
    fc.constantFrom(...property.words, "canary"),
  );
const anyStatus = fc.record(Object.fromEntries(properties.map((one) => [one.name, anyValue(one)])), {
  requiredKeys: [],
});

describe("what is written", () => {
  const filter = new StatusFilter(properties);
  it("of a status is what the schema of its purpose takes, whatever a device said", () => {
    let told = 0;
    fc.assert(
      fc.property(anyStatus, (status) => {
        const given = status as StatusFields;
        const [scene, weather] = [filter.forScene(given), filter.forWeather(given)];
        for (const [purpose, kept] of [
          ["scene", scene],
          ["weather", weather],
        ] as const) {
          if (kept === undefined) continue;
          told += 1;
          expect([purpose, kept, fits(purpose, { ...WHOLE[purpose], status: kept })]).toEqual([purpose, kept, true]);
        }
      }),
      { numRuns: 500 },
    );
    expect(told).toBeGreaterThan(500);
  });
});

describe("the AsyncAPI document", () => {
  const document = asyncApi(properties, "1.2.3");

  it("is valid by the specification", () => {
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(
      specs.schemasWithoutId["3.0.0"] as object,
    );
    expect([validate(document), validate.errors]).toEqual([true, null]);
    expect(validate({ ...document, channels: { one: { adress: "typo" } } })).toBe(false);
  });

  it("has a channel for everything that a service may subscribe to or publish", () => {
    const channels = document.channels as Readonly<Record<string, { readonly address: string }>>;
    expect(Object.values(channels).map(({ address }) => address)).toEqual([
      "processed/weather/{cell}",
      "processed/scene/{pseudonym}",
      "processed/network/{pseudonym}",
      "privacy/erased/scene",
      "privacy/erased/scene/ack",
      "privacy/erased/network",
      "privacy/erased/network/ack",
      "commands/{pseudonym}/{name}",
      "commands/{pseudonym}/{name}/outcome",
      "weather/{cell}",
      "network/{pseudonym}",
    ]);
  });

  it("has a command as the gateway reads it, value by value", () => {
    const command = ajv.compile(COMMAND_SCHEMA);
    const [first, ...others] = ["on", "#00ff7f", 50, 21.5, 2700, true, "heat", "open", "start"];
    for (const value of [first, ...others]) expect([value, command({ value })]).toEqual([value, true]);
    for (const value of [undefined, null, "", "unlock", 1e9, -1, {}, []])
      expect([value, command({ value })]).toEqual([value, false]);
    const whole = { value: "on", correlation: "c-1", cause: 4, expiresAt: 1 };
    expect(command(whole)).toBe(true);
    for (const bad of [{ cause: 5 }, { correlation: "a b" }, { expiresAt: "soon" }, { device: DEVICE }])
      expect(command({ ...whole, ...bad })).toBe(false);
  });

  it("has no outcome that says what a person has decided", () => {
    const outcome = ajv.compile(OUTCOME_SCHEMA);
    expect(outcome({ outcome: "delivered", correlation: "c-1" })).toBe(true);
    for (const one of ["no-consent", "acl-denied", "legal-hold"]) expect(outcome({ outcome: one })).toBe(false);
  });

  it("knows the properties of an operator as well", () => {
    const own = new Vocabulary([
      { name: "soil_ph", kind: "number", range: "0..14", step: "0.1", scene: "0.5", weather: undefined },
    ] as never).properties;
    const one = ajv.compile(schemaFile("scene", own));
    expect(one({ ...WHOLE.scene, status: { soil_ph: 7.5 } })).toBe(true);
    expect(fits("scene", { ...WHOLE.scene, status: { soil_ph: 7.5 } })).toBe(false);
  });
});
