/** A command is taken only as the table has it, once, not too often, and not as the end of a long chain; what became of it is told. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { argumentOf, COMMAND_NAMES, type CommandName, type DeviceCommand } from "../../model/command.ts";
import { type CheckConsent, grantsOf, STATUS, type Verdict } from "../../model/consent.ts";
import type { DeviceKey, DeviceRef, Pseudonym, SubjectTag } from "../../model/ids.ts";
import type { CommandOutcome } from "../../model/outcome.ts";
import type { ServicePurpose } from "../../model/purposes.ts";
import { AddressableNames } from "./addressable-names.ts";
import { Commands } from "./commands.ts";
import type { ServiceConnection } from "./connection.ts";

const LAMP = "lamp_________________1" as Pseudonym;
const FAN = "fan__________________2" as Pseudonym;
const REF: DeviceRef = { deviceKey: "key-lamp" as DeviceKey, subjectTag: "tag" as SubjectTag };
const OTHER: DeviceRef = { deviceKey: "key-fan" as DeviceKey, subjectTag: "tag" as SubjectTag };
const CONSENT: Verdict = { grants: grantsOf({ scene: ["status"] }), wrappedSubjectKey: "key" };

let handed: DeviceCommand[];
let told: unknown[];
let purposes: Set<ServicePurpose>;
let verdicts: readonly Verdict[];
let checkConsent: CheckConsent;
let isThere: boolean;
let newest: Readonly<Record<string, Pseudonym>>;
let leftOut: readonly string[];
let commands: Commands;
let names: AddressableNames;

afterEach(() => void vi.useRealTimers());

beforeEach(() => {
  handed = [];
  told = [];
  purposes = new Set(["scene"]);
  verdicts = [CONSENT];
  checkConsent = async () => verdicts;
  isThere = true;
  newest = { "key-lamp": LAMP, "key-fan": FAN };
  leftOut = [];
  commands = start(1_000);
});

function start(perMinute: number): Commands {
  names = new AddressableNames(
    { purpose: "scene", categories: STATUS, remembered: 10 },
    {
      checkConsent: (devices) => checkConsent(devices),
      pseudonym: ({ deviceKey }) => newest[deviceKey] as Pseudonym,
    },
  );
  names.remember(LAMP, REF);
  names.remember(FAN, OTHER);
  return new Commands(
    { perMinute, remembered: 10 },
    {
      names,
      allowed: (_service, name) => !leftOut.includes(name),
      command: (_device, command) => {
        if (isThere) handed.push(command);
        return isThere;
      },
      counted: () => undefined,
      outcomes: {
        tell: (service, command, outcome, correlation) =>
          void told.push([service, command.pseudonym, command.name, outcome, correlation]),
      },
    },
  );
}

function serviceOf(name: string, mayPublish = () => true): ServiceConnection {
  return {
    name,
    get purposes() {
      return purposes;
    },
    mayPublish,
  } as unknown as ServiceConnection;
}

const SCENES = serviceOf("scenes");

function send(
  topic: string,
  payload: unknown,
  { service = SCENES, expiresAt = Number.POSITIVE_INFINITY }: { service?: ServiceConnection; expiresAt?: number } = {},
): Promise<CommandOutcome> {
  const bytes = Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
  return new Promise((resolve) => commands.submit(service, { topic, payload: bytes, expiresAt }, resolve));
}

const power = (more: object = {}, name = LAMP): Promise<CommandOutcome> =>
  send(`commands/${name}/power`, { value: "on", ...more });

/** One value that the table takes, and some that it does not. */
function valuesOf(name: CommandName): { good: unknown[]; bad: unknown[] } {
  const argument = argumentOf(name);
  switch (argument.kind) {
    case "word":
      return { good: [...argument.words], bad: ["", "ON", "unlock", 1, true, null, argument.words, {}] };
    case "number":
      return {
        good: [argument.min, argument.max, argument.min + argument.step],
        bad: [argument.min - argument.step, argument.max + argument.step, argument.min + argument.step / 2, "1", null],
      };
    case "flag":
      return { good: [true, false], bad: ["true", 0, 1, null] };
    case "color":
      return { good: ["#00ff7F"], bad: ["#00ff7", "00ff7f", "#00ff7g", "red", 255] };
  }
}

describe("what is taken", () => {
  it.each(COMMAND_NAMES)("%s has a value of its own type and no other", async (name) => {
    const { good, bad } = valuesOf(name);
    for (const value of good) expect(await send(`commands/${LAMP}/${name}`, { value }), `${value}`).toBe("delivered");
    for (const value of [...bad, undefined])
      expect(await send(`commands/${LAMP}/${name}`, { value }), JSON.stringify(value)).toBe("invalid");
    expect(handed.map(({ value }) => value)).toEqual(good);
  });

  it("holds no lock, door, alarm, payment or person", () => {
    expect(COMMAND_NAMES.filter((name) => /lock|door|gate|alarm|siren|arm|pay|buy|user|person/.test(name))).toEqual([]);
  });

  it.each([
    ["no JSON", "on"],
    ["a value alone", '"on"'],
    ["a list", "[1]"],
    ["nothing", ""],
    ["a key twice", '{"value":"on","value":"off"}'],
    ["a key of another kind", '{"value":"on","device":"lamp-1"}'],
    ["a correlation that is none", '{"value":"on","correlation":"a b"}'],
    ["a long correlation", JSON.stringify({ value: "on", correlation: "x".repeat(65) })],
    ["half a cause", '{"value":"on","cause":0.5}'],
    ["a cause before the first", '{"value":"on","cause":-1}'],
    ["a time that is text", '{"value":"on","expiresAt":"soon"}'],
    ["a prototype", '{"__proto__":{"value":"on"}}'],
  ])("is not %s", async (_what, payload) => {
    expect(await send(`commands/${LAMP}/power`, payload)).toBe("invalid");
    expect(handed).toEqual([]);
  });

  it.each(["on", "MqttHost", "constructor", "lock", "__proto__"])("is no command %s", async (name) => {
    expect(await send(`commands/${LAMP}/${name}`, { value: "on" })).toBe("invalid");
  });

  it("is no longer than a command can be, and what is longer is not looked at", async () => {
    expect(await send(`commands/${LAMP}/power`, '{"value":"on"}'.padEnd(512))).toBe("delivered");
    expect(await send(`commands/${LAMP}/power`, '{"value":"on"}'.padEnd(513))).toBe("too-large");
    expect(await send(`commands/${LAMP}/power`, "x".repeat(1 << 20))).toBe("too-large");
  });

  it("is not what the policy leaves out", async () => {
    leftOut = ["cover"];
    expect(await send(`commands/${LAMP}/cover`, { value: "open" })).toBe("not-allowed");
    expect(await power()).toBe("delivered");
  });
});

describe("a device that is not to be reached", () => {
  it.each<[string, () => void]>([
    ["that is held", () => (verdicts = [{ refusal: "legal-hold", wrappedSubjectKey: "key" }])],
    ["whose person has withdrawn", () => (verdicts = [{ refusal: "consent-withdrawn" }])],
    ["that was sold", () => (verdicts = [{ refusal: "no-consent" }])],
    [
      "of which only the model was granted",
      () => (verdicts = [{ ...CONSENT, grants: grantsOf({ scene: ["model"] }) }]),
    ],
    ["that is away", () => (isThere = false)],
    ["under the name of an epoch that is over", () => (newest = { "key-lamp": FAN })],
    ["that was erased", () => names.forget([LAMP])],
  ])("is one %s, and which of these it is the service is not told", async (_what, arrange) => {
    arrange();
    expect(["no-consent", "unknown-device"]).toContain(await power({ correlation: "c-1" }));
    expect(told).toEqual([["scenes", LAMP, "power", "unknown-device", "c-1"]]);
    expect(handed).toEqual([]);
  });

  it("is commanded too often whether or not it may be reached: that too tells nothing", async () => {
    commands = start(2);
    for (const arrange of [() => undefined, () => (verdicts = [{ refusal: "legal-hold" }])]) {
      arrange();
      commands.forget([LAMP]);
      const outcomes = [await power(), await power(), await power()];
      expect(outcomes[2]).toBe("over-rate");
      expect(outcomes.slice(0, 2)).not.toContain("over-rate");
    }
  });
});

describe("what becomes of it", () => {
  it("is told under the correlation of the service, which the device gets too", async () => {
    await power({ correlation: "c-1" });
    await power();
    expect(handed).toEqual([
      { name: "power", value: "on", correlation: "c-1" },
      { name: "power", value: "on", correlation: undefined },
    ]);
    expect(told).toEqual([
      ["scenes", LAMP, "power", "delivered", "c-1"],
      ["scenes", LAMP, "power", "delivered", undefined],
    ]);
  });

  it("is not told of what is no command, of too many, and of a service without the purpose", async () => {
    await send("commands/lamp/power", { value: "on" });
    expect(await send(`commands/${LAMP}/power`, { value: "on" }, { service: serviceOf("fast", () => false) })).toBe(
      "over-rate",
    );
    purposes = new Set(["network"]);
    expect(await power()).toBe("acl-denied");
    expect([handed, told]).toEqual([[], []]);
  });

  it("is nothing when the service loses its purpose while consent is asked", async () => {
    checkConsent = async () => {
      purposes = new Set();
      return verdicts;
    };
    expect(await power()).toBe("acl-denied");
    expect([handed, told]).toEqual([[], []]);
  });

  it("is unavailable when consent cannot be asked, and may come again", async () => {
    checkConsent = async () => {
      throw new Error("Redis is away");
    };
    expect(await power({ correlation: "c-1" })).toBe("unavailable");
    checkConsent = async () => verdicts;
    expect(await power({ correlation: "c-1" })).toBe("delivered");
  });

  it("is expired when the service has no use for it any more, also when that is while consent is asked", async () => {
    expect(await power({ expiresAt: Date.now() - 1 })).toBe("expired");
    expect(await send(`commands/${LAMP}/power`, { value: "on" }, { expiresAt: performance.now() - 1 })).toBe("expired");
    expect(await power({ expiresAt: Date.now() + 60_000 })).toBe("delivered");
    vi.useFakeTimers({ now: 1_000, toFake: ["Date"] });
    checkConsent = async () => {
      vi.setSystemTime(2_000);
      return verdicts;
    };
    expect(await power({ expiresAt: 1_500 })).toBe("expired");
  });
});

describe("a correlation", () => {
  it("is delivered once, also when both come at once, and each service has its own", async () => {
    const both = await Promise.all([power({ correlation: "c-1" }), power({ correlation: "c-1" }, FAN)]);
    expect(both).toEqual(["delivered", "repeated"]);
    expect(await power({ correlation: "c-1" })).toBe("repeated");
    const other = send(`commands/${LAMP}/power`, { value: "on", correlation: "c-1" }, { service: serviceOf("others") });
    expect(await other).toBe("delivered");
    expect(handed).toHaveLength(2);
  });
});

describe("two rules that switch each other", () => {
  /** Each answers what the one device says with a command to the other; until one of them is refused. */
  async function play(next: (cause: number | undefined) => object): Promise<[CommandOutcome, number]> {
    let cause: number | undefined;
    for (let turn = 0; turn < 1_000; turn += 1) {
      const name = turn % 2 === 0 ? LAMP : FAN;
      const outcome = await send(`commands/${name}/power`, { value: "toggle", ...next(cause) });
      if (outcome !== "delivered") return [outcome, turn];
      cause = commands.causeOf(name);
    }
    throw new Error("it goes on");
  }

  it("end at the fifth command, when they say what it follows from", async () => {
    expect(await play((cause) => ({ cause }))).toEqual(["cause-chain", 5]);
  });

  it("end when each device was commanded as often as it may be in a minute, when they do not", async () => {
    commands = start(10);
    expect(await play(() => ({}))).toEqual(["over-rate", 20]);
  });

  it("do not shorten a chain by a command in between", async () => {
    await power({ cause: 3 });
    await power();
    expect(commands.causeOf(LAMP)).toBe(4);
  });
});

it("a device follows from a command for ten seconds, and from none that it was not handed", async () => {
  vi.useFakeTimers({ toFake: ["performance", "Date"] });
  isThere = false;
  await power();
  expect(commands.causeOf(LAMP)).toBeUndefined();
  isThere = true;
  await power();
  vi.advanceTimersByTime(9_999);
  expect([commands.causeOf(LAMP), commands.causeOf(FAN)]).toEqual([1, undefined]);
  vi.advanceTimersByTime(2);
  expect(commands.causeOf(LAMP)).toBeUndefined();
});
