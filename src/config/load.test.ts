import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GatewayError } from "../model/errors.ts";
import { loadConfig, loadSections } from "./load.ts";

const TOKEN = "correct-horse-battery-staple-0123456789";
const SERVICE = "name: a, purposes: [scene], region: IN, recipient: scene services";
const OTHER_TOKEN = "another-token-of-sufficient-length-9876";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "consentry-config-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function file(content: string, mode = 0o600, name = "config.yaml"): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function load(yaml?: string, env: Record<string, string> = {}, mode?: number) {
  return loadConfig({
    file: yaml === undefined ? undefined : file(yaml, mode),
    env: { CONSENTRY_HTTP_TOKEN: TOKEN, PATH: "/bin", ...env },
  });
}

function refusal(yaml?: string, env: Record<string, string> = {}, mode?: number): string {
  try {
    load(yaml, env, mode);
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    return (error as GatewayError).message;
  }
  throw new Error("was accepted");
}

describe("sources", () => {
  it("needs nothing: without a bearer token only named ones open the HTTP interface", () => {
    const config = load();
    expect(config.mqtt.tcp).toEqual({ enabled: true, host: "127.0.0.1", port: 1883 });
    expect(config.queue.requireDurability).toBe("fsync");
    expect(config.http.token).toBe(TOKEN);
    expect(loadConfig({ env: {} }).http.token).toBeUndefined();
  });

  it("lays the file over the defaults and the environment over the file", () => {
    const yaml = "mqtt:\n  tcp: { port: 2000, host: 0.0.0.0 }\n  maxTopicLevels: 9\n";
    const config = load(yaml, { CONSENTRY_MQTT_TCP_PORT: "3000" });
    expect(config.mqtt.tcp).toEqual({ enabled: true, host: "0.0.0.0", port: 3000 });
    expect(config.mqtt.maxTopicLevels).toBe(9);
    expect(config.mqtt.maxPayloadBytes).toBe(8192);
  });

  it("reads each kind of value from the environment", () => {
    const config = load(undefined, {
      CONSENTRY_MQTT_WS_ENABLED: "true",
      CONSENTRY_DEIDENTIFY_LOCATION_STICKINESS: "0.25",
      CONSENTRY_SINKS_RESIDENCY: "IN, DE",
      CONSENTRY_SINKS_INFLUX_DATABASE: "42",
      CONSENTRY_QUEUE_REQUIRE_DURABILITY: "",
    });
    expect(config.mqtt.ws.enabled).toBe(true);
    expect(config.deidentify.location.stickiness).toBe(0.25);
    expect(config.sinks.residency).toEqual(["IN", "DE"]);
    expect(config.sinks.influx.database).toBe("42");
    expect(config.queue.requireDurability).toBe("fsync");
  });

  it("takes REDIS_URL and INFLUX_URL unless our own names are set", () => {
    const urls = { REDIS_URL: "redis://a:1", INFLUX_URL: "http://b:2" };
    expect(load("redis: { url: 'redis://file:9' }", urls).redis.url).toBe("redis://a:1");
    expect(load(undefined, urls).sinks.influx.url).toBe("http://b:2");
    expect(load(undefined, { ...urls, CONSENTRY_REDIS_URL: "redis://c:3" }).redis.url).toBe("redis://c:3");
  });

  it("cannot be changed afterwards", () => {
    const config = load();
    expect(() => {
      config.mqtt.rate.perSecond = 1;
    }).toThrow(TypeError);
  });
});

describe("what is refused", () => {
  it("lists every problem at once, unknown names included", () => {
    const message = refusal("mqtt: { tpc: {}, maxTopicLevels: deep }\nextra: 1\n", {
      CONSENTRY_MQTT_PORT: "1",
      CONSENTRY_QUEUE_WATCHDOG_MS: "soon",
    });
    expect(message).toContain("CONSENTRY_MQTT_PORT: unknown variable");
    expect(message).toContain("mqtt.tpc: unknown option (did you mean mqtt.tcp?) at config.yaml:1");
    expect(message).toContain("extra: unknown option at config.yaml:2");
    expect(message).toContain("mqtt.maxTopicLevels: must be 3..64 at config.yaml:1");
    expect(message).toMatch(/queue\.watchdogMs: must be \d+\.\.\d+ in CONSENTRY_QUEUE_WATCHDOG_MS/);
  });

  it.each([
    [
      "deidentify: { location: { finestResolution: 7 } }",
      "deidentify.location.finestResolution: must be 0..6 at config.yaml:1",
    ],
    ["deidentify: { ip: { v4PrefixBits: 17 } }", "deidentify.ip.v4PrefixBits: must be "],
    ["deidentify: { ip: { v6PrefixBits: 33 } }", "deidentify.ip.v6PrefixBits: must be "],
    ["sinks: { influx: { timeoutMs: 2000 } }", "sinks.influx.timeoutMs: must-be-below-consent-lease"],
    ["mqtt: { tls: { enabled: true } }", "mqtt.tls.certFile: required-for-tls"],
    ["mqtt: { tcp: { enabled: false } }", "mqtt: no-listener-enabled"],
    ["sinks: { influx: { api: v2, org: o } }", "sinks.influx.bucket: required-for-v2"],
    ["sinks: { influx: { url: 'http://u:p@h:1' } }", "sinks.influx.url: credentials-or-query-in-url"],
    ["centre: { publicUrl: 'https://privacy.example/?x' }", "centre.publicUrl: not-a-plain-http-url"],
    ["centre: { publicUrl: 'javascript:x' }", "centre.publicUrl: not-a-plain-http-url"],
    ["centre: { linkSeconds: 901 }", "centre.linkSeconds: must be "],
    ["redis: { url: 'http://h:1' }", "redis.url: must be an address (URL)"],
    ["services: [{ name: a, purposes: [marketing], region: IN }]", "services.0.purposes.0: must be one of "],
    ["services: [{ name: a, purposes: [scene], region: IN }]", "services.0.relation: must be one of "],
    ["services: [{ name: a, purposes: [scene], region: IN }]", "services.0.recipient: must be "],
    [`services: [{ ${SERVICE}, relation: third-party }]`, "services.0.token: required"],
    [`services: [{ ${SERVICE}, relation: processor }]`, "services.0.contractRef: required-for-processor"],
    [
      `services: [{ ${SERVICE}, relation: processor, contractRef: "a|b" }]`,
      "services.0.contractRef: must have the form ",
    ],
    ["retention: { deviceLocationDays: 7 }", "retention.deviceLocationDays: must-exceed-epoch"],
    ["role: all", "role: unknown option at config.yaml:1"],
    ["queue: { requireDurability: hope }", "queue.requireDurability: must be one of "],
    ["mqtt: 5", "mqtt: must be a section"],
    ["- 1", "file: not-a-mapping"],
    ['{"__proto__": {"mqtt": "all"}}', "(unprintable): unknown option"],
    ["redis: &r { keyPrefix: a }\nkeys: *r", "file: alias-not-allowed"],
    ["mqtt: !!js/function 'x'", "file: TAG_RESOLVE_FAILED at config.yaml:1"],
    ["mqtt: all\nmqtt: all", "file: DUPLICATE_KEY at config.yaml:2"],
  ])("%s", (yaml, problem) => {
    expect(refusal(yaml)).toContain(problem);
  });

  it("says where each was given, and which name was probably meant", () => {
    const yaml =
      "mqtt:\n  maxKeepalive: 9\nqueue:\n  # small\n  backlogBytes: 3\nlogLevel: info\nsinks: { residency: [INDIA] }\n";
    const problems = refusal(yaml, { CONSENTRY_REDIS_KEYPREFIX: "x", REDIS_URL: "http://h" }).split(
      /; |: (?=mqtt.max)/,
    );
    expect(problems).toEqual([
      "CONFIG_INVALID: CONSENTRY_REDIS_KEYPREFIX: unknown variable (did you mean CONSENTRY_REDIS_KEY_PREFIX?)",
      expect.stringMatching(/^redis\.url: must be an address .* in REDIS_URL$/),
      "mqtt.maxKeepalive: unknown option (did you mean mqtt.maxKeepaliveS?) at config.yaml:2",
      "queue.backlogBytes: must be 1048576..1099511627776 at config.yaml:5",
      expect.stringMatching(/^sinks\.residency\.0: must have the form .* at config\.yaml:7$/),
      "logLevel: unknown option (did you mean observe.logLevel?) at config.yaml:6",
    ]);
  });

  it("counts what is beyond a hundred", () => {
    const options = Array.from({ length: 130 }, (_, index) => `x${index}: 1\n`).join("");
    expect(refusal(options)).toMatch(/and 30 more$/);
  });

  it("gives the scraper a token of its own, which opens nothing else", () => {
    expect(load(`metrics: { token: ${OTHER_TOKEN} }`).metrics).toMatchObject({ enabled: false, token: OTHER_TOKEN });
    expect(load().metrics.token).toBeUndefined();
    expect(refusal(`metrics: { token: ${TOKEN} }`)).toContain("metrics.token: token-used-twice");
    expect(refusal("metrics: { token: short }")).toContain(
      "metrics.token: must be a text of 32..4096 characters at config.yaml:1",
    );
  });

  it("names a service and a token once", () => {
    const service = (name: string, token: string) =>
      `  - { ${SERVICE.replace("name: a", `name: ${name}`)}, relation: third-party, token: ${token} }\n`;
    expect(refusal(`services:\n${service("a", TOKEN)}${service("a", OTHER_TOKEN)}`)).toContain("name-used-twice");
    expect(refusal(`services:\n${service("a", TOKEN)}${service("b", TOKEN)}`)).toContain("token-used-twice");
    expect(load(`services:\n${service("a", TOKEN)}${service("b", OTHER_TOKEN)}`).services).toHaveLength(2);
  });

  it("asks for two approvers or none, each with a name and a token of their own", () => {
    const third = "third-token-0123456789-0123456789-01234";
    const approvers = (...list: [name: string, token: string][]) =>
      `http:\n  approvers:\n${list.map(([name, token]) => `    - { name: ${name}, token: ${token} }\n`).join("")}`;
    const config = load(approvers(["legal", OTHER_TOKEN], ["privacy", third]));
    expect(config.http.approvers.map(({ name }) => name)).toEqual(["legal", "privacy"]);
    expect(load().http.approvers).toEqual([]);
    expect(refusal(approvers(["legal", OTHER_TOKEN]))).toContain("http.approvers: needs-two");
    expect(refusal(approvers(["legal", OTHER_TOKEN], ["legal", third]))).toContain("http.approvers: name-used-twice");
    expect(refusal(approvers(["legal", third], ["privacy", third]))).toContain("http.approvers: token-used-twice");
    // Else the account service could approve what it asks for.
    expect(refusal(approvers(["legal", OTHER_TOKEN], ["privacy", TOKEN]))).toContain(
      "http.approvers: token-used-twice",
    );
    expect(refusal("http: { approvers: [{ name: a }, { name: b }] }")).toContain("http.approvers.1.token: required");
  });

  it("a file that is not there", () => {
    expect(() => loadConfig({ file: join(dir, "none.yaml"), env: {} })).toThrow("CONFIG_INVALID: file: ENOENT");
  });
});

describe("the sections that a command uses", () => {
  const NONE = "/there/is/no/such/file";
  const YAML = `http: { tokenFile: ${NONE}, approvers: [{ name: a, tokenFile: ${NONE} }, { name: b, tokenFile: ${NONE} }] }
sinks: { influx: { username: reader, passwordFile: ${NONE} } }
services: [{ ${SERVICE}, relation: third-party, tokenFile: ${NONE} }]
redis: { urlFile: ${NONE} }`;

  it("are read without the secrets of the others, and nothing else is handed out", () => {
    const source = { file: file(YAML), env: {} };
    expect(() => loadConfig(source)).toThrow("http.tokenFile: ENOENT");
    const sections = loadSections(source, ["keys", "services"]);
    expect(Object.keys(sections).sort()).toEqual(["keys", "services"]);
    expect(Object.keys(sections.services[0] ?? {})).not.toContain("token");
  });

  it("do not ask the environment for a token, or mind one that is too short", () => {
    for (const env of [{}, { CONSENTRY_HTTP_TOKEN: "short" }])
      expect(loadSections({ env }, ["keys"]).keys.dir).toBe("./data/keys");
  });

  it("are refused with their own secrets at fault, and with any option that does not exist", () => {
    expect(() => loadSections({ file: file(YAML), env: {} }, ["sinks"])).toThrow(
      "CONFIG_INVALID: sinks.influx.passwordFile: ENOENT",
    );
    expect(() => loadSections({ file: file("mqtt: { nonsense: 1 }"), env: {} }, ["keys"])).toThrow(
      "CONFIG_INVALID: mqtt.nonsense: unknown option at config.yaml:1",
    );
  });
});

describe("secrets", () => {
  it("come from a file whose owner alone can read it", () => {
    const tokenFile = file(`${OTHER_TOKEN}\n`, 0o400, "token");
    expect(load("", { CONSENTRY_HTTP_TOKEN: "", CONSENTRY_HTTP_TOKEN_FILE: tokenFile }).http.token).toBe(OTHER_TOKEN);
    chmodSync(tokenFile, 0o440);
    expect(refusal("", { CONSENTRY_HTTP_TOKEN: "", CONSENTRY_HTTP_TOKEN_FILE: tokenFile })).toContain(
      "http.tokenFile: readable-by-others",
    );
    expect(refusal(`sinks: { influx: { tokenFile: ${join(dir, "none")} } }`)).toContain(
      "sinks.influx.tokenFile: ENOENT",
    );
  });

  it("may lie in systemd's directory of credentials, where the group's bits are those of an access list", () => {
    const from = (tokenFile: string, directory: string) => ({
      CONSENTRY_HTTP_TOKEN: "",
      CONSENTRY_HTTP_TOKEN_FILE: tokenFile,
      CREDENTIALS_DIRECTORY: directory,
    });
    const tokenFile = file(OTHER_TOKEN, 0o440, "token");
    expect(load("", from(tokenFile, dir)).http.token).toBe(OTHER_TOKEN);
    expect(refusal("", from(tokenFile, join(dir, "other")))).toContain("http.tokenFile: readable-by-others");
    expect(refusal("", from(`${dir}/../${basename(dir)}/token`, join(dir, "..")))).toContain("readable-by-others");
    chmodSync(tokenFile, 0o444);
    expect(refusal("", from(tokenFile, dir))).toContain("http.tokenFile: readable-by-others");
  });

  it("are read for each service and for the address of Redis", () => {
    const tokenFile = file(OTHER_TOKEN, 0o600, "token");
    const urlFile = file("redis://:pass@h:1\n", 0o600, "url");
    const config = load(
      `services: [{ ${SERVICE}, relation: third-party, tokenFile: ${tokenFile} }]\nredis: { urlFile: ${urlFile} }`,
    );
    expect(config.services[0]?.token).toBe(OTHER_TOKEN);
    expect(config.redis.url).toBe("redis://:pass@h:1");
  });

  it("may stand in the configuration file only when it is closed to others", () => {
    const yaml = `http: { token: ${OTHER_TOKEN} }\nredis: { url: "redis://:pass@h:1" }`;
    expect(load(yaml, { CONSENTRY_HTTP_TOKEN: "" }, 0o600).http.token).toBe(OTHER_TOKEN);
    const message = refusal(yaml, { CONSENTRY_HTTP_TOKEN: "" }, 0o644);
    expect(message).toContain("http.token: secret-in-open-file");
    expect(message).toContain("redis.url: secret-in-open-file");
    expect(load("redis: { url: 'redis://h:1' }", {}, 0o644).redis.url).toBe("redis://h:1");
  });

  it("in the environment take the place of those in the file, whichever form they have", () => {
    const tokenFile = file(OTHER_TOKEN, 0o600, "token");
    expect(load(`http: { tokenFile: ${tokenFile} }`).http.token).toBe(TOKEN);
    const fromFile = { CONSENTRY_HTTP_TOKEN: "", CONSENTRY_HTTP_TOKEN_FILE: tokenFile };
    expect(load(`http: { token: ${TOKEN} }`, fromFile).http.token).toBe(OTHER_TOKEN);
    expect(refusal("", { CONSENTRY_HTTP_TOKEN_FILE: tokenFile })).toContain("http.token: given-twice");
  });

  it("must be long enough, and never show in an error", () => {
    const short = "short-secret-0000";
    const canary = "CANARY-value-in-the-wrong-place-12345";
    const message = refusal(
      `http: { port: "${canary}", ${canary}: 1 }\nredis: { url: "redis://:${canary}@[bad" }\nqueue: { requireDurability: ${canary} }\n` +
        `sinks: { influx: { token: "${canary}", tokenFile: "/${canary}" }, residency: ["${canary}"] }\n` +
        `services: [{ name: "${canary}", purposes: ["${canary}"], region: IN, token: ${short} }]\n${canary}: [`,
      { CONSENTRY_HTTP_TOKEN: short, CONSENTRY_CANARY: canary },
    );
    expect(message).not.toContain(canary);
    const second = refusal(
      `http: { port: "${canary}" }\nredis: { url: "redis://:${canary}@[bad" }\nqueue: { requireDurability: ${canary} }\n` +
        `sinks: { influx: { token: "${canary}", tokenFile: "/${canary}" }, residency: ["${canary}"] }\n` +
        `services: [{ name: "${canary}", purposes: ["${canary}"], region: IN, token: ${short}, "${canary}": 1 }]\n`,
      { CONSENTRY_HTTP_TOKEN: short, CONSENTRY_CANARY: canary },
    );
    expect(second).toContain("http.token: must be a text of 32..4096 characters in CONSENTRY_HTTP_TOKEN");
    expect(second).toContain("services.0.token: must be a text of 32..4096 characters at config.yaml:5");
    expect(second).not.toContain(canary);
    expect(second).not.toContain(short);
  });
});
