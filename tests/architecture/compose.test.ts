/** The composition for production keeps what the gateway promises, and no service runs with more than it needs. */
import { readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.ts";

interface Service {
  readonly image: string;
  readonly profiles?: readonly string[];
  readonly user?: string;
  readonly command?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly mem_limit?: string;
  readonly pids_limit?: number;
  readonly privileged?: boolean;
  readonly network_mode?: string;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly ports?: readonly string[];
  readonly networks?: readonly string[];
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
}

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
const compose = parse(read("docker-compose.yml")) as Compose;
const services = Object.entries(compose.services);

function service(name: string): Service {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
}

/** A version that says which build it is. Its digest stands behind it once `scripts/pin-images.mjs` has been run. */
const VERSIONED = /^(?:[a-z]+\/)?[a-z]+:v?\d+\.\d+\.\d+(?:-[a-z-]+)?(?:@sha256:[0-9a-f]{64})?$/;
const DIGESTS = /@sha256:[0-9a-f]{64}/g;

describe("docker-compose.yml", () => {
  it("runs the gateway, Redis and InfluxDB 2, and to observe them Prometheus and Grafana", () => {
    const named = (observing: boolean) =>
      services.filter(([, { profiles }]) => (profiles !== undefined) === observing).map(([name]) => name);
    expect(named(false).sort()).toEqual(["gateway", "influxdb", "redis"]);
    expect(named(true).sort()).toEqual(["grafana", "prometheus"]);
    for (const name of named(true)) expect(service(name).profiles).toEqual(["observe"]);
    expect(service("redis").image).toMatch(/^redis:7/);
    expect(service("influxdb").image).toMatch(/^influxdb:2/);
  });

  it("keeps what a PUBACK promises: fsync on every write, no eviction, data on a named volume", () => {
    const command = service("redis").command ?? [];
    const option = (name: string) => command[command.indexOf(name) + 1];
    expect(option("--appendonly")).toBe("yes");
    expect(option("--appendfsync")).toBe("always");
    expect(option("--maxmemory-policy")).toBe("noeviction");
    expect(service("redis").volumes).toContain("redis-data:/data");
    expect(compose.volumes).toHaveProperty("redis-data");
  });

  it.each(services)("%s is confined: not root, nothing writable but its volumes, no capability", (_name, one) => {
    expect(one.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(one.read_only).toBe(true);
    expect(one.cap_drop).toEqual(["ALL"]);
    expect(one.security_opt).toContain("no-new-privileges:true");
    expect(one.privileged).toBeUndefined();
    expect(one.network_mode).toBeUndefined();
  });

  it.each(services)("%s has bounds to its memory, its processes and what it writes to memory", (_name, one) => {
    expect(one.mem_limit).toMatch(/^[1-9]\d*[mg]$/);
    expect(one.pids_limit).toBeGreaterThan(16);
    expect(one.pids_limit).toBeLessThanOrEqual(256);
    for (const place of one.tmpfs ?? []) expect(place).toMatch(/:.*\bsize=\d+m\b/);
  });

  it("lets Redis refuse a write before the container's memory ends it", () => {
    const command = service("redis").command ?? [];
    const inMb = (text = "") => Number.parseInt(text, 10) * (/g/.test(text) ? 1_024 : 1);
    const { queue } = parse(read("config/defaults.yaml")) as { queue: Record<string, number> };
    const budgets = ((queue.backlogBytes ?? 0) + (queue.deadLetterBytes ?? 0)) / 1_048_576;
    expect(inMb(command[command.indexOf("--maxmemory") + 1])).toBeGreaterThan(budgets);
    expect(2 * inMb(command[command.indexOf("--maxmemory") + 1])).toBeLessThanOrEqual(inMb(service("redis").mem_limit));
  });

  it("names every image that comes from elsewhere by its full version", () => {
    expect(service("redis").image).toMatch(VERSIONED);
    for (const name of ["influxdb", "prometheus", "grafana"]) expect(service(name).image, name).toMatch(VERSIONED);
  });

  it("keeps the administrator's token of InfluxDB from the gateway and from Grafana, which have one each for its bucket", () => {
    expect(service("grafana").secrets?.filter((name) => /influx/.test(name))).toEqual([]);
    expect(service("grafana").volumes?.filter((volume) => /secrets/.test(volume))).toEqual([
      "./secrets/influx-reader:/run/influx-token:ro",
    ]);
    expect(service("grafana").environment?.GF_AUTH_ANONYMOUS_ENABLED).toBe("false");
    expect(service("gateway").secrets?.filter((name) => /influx/.test(name))).toEqual([]);
    expect(service("gateway").volumes).toContain("./secrets/influx:/run/secrets/influx:ro");
    expect(service("influxdb").volumes).toContain(
      "./config/influx-init.sh:/docker-entrypoint-initdb.d/gateway-token.sh:ro",
    );
    // What runs the scripts of that folder takes those alone that can be executed.
    expect(statSync(new URL("../../config/influx-init.sh", import.meta.url)).mode & 0o111).toBe(0o111);
  });

  it.each(services)("%s has a health check", (_name, one) => {
    expect(one.healthcheck?.test.length).toBeGreaterThan(1);
  });

  it("publishes ports of the gateway and of Grafana alone, on loopback, and keeps the others on an internal network", () => {
    const published = services.filter(([, { ports }]) => ports !== undefined);
    expect(published.map(([name]) => name).sort()).toEqual(["gateway", "grafana"]);
    for (const [, { ports = [] }] of published) for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    const { metrics } = parse(read("config/compose.yaml")) as { metrics: { enabled: boolean } };
    expect(metrics.enabled).toBe(true);
    expect(service("gateway").ports?.join(" ")).not.toContain("8081");
    for (const name of ["redis", "influxdb", "prometheus"]) expect(service(name).networks, name).toEqual(["inside"]);
    expect(compose.networks.inside?.internal).toBe(true);
  });

  it("takes every secret from a file, made by make-secrets.sh", () => {
    for (const [name, { environment }] of services) {
      for (const variable of Object.keys(environment ?? {})) {
        if (/PASSWORD|TOKEN|SECRET|KEY/.test(variable)) expect(variable, name).toMatch(/_FILE$/);
      }
    }
    const script = read("scripts/make-secrets.sh");
    for (const [name, { file }] of Object.entries(compose.secrets)) {
      expect(file).toBe(`./secrets/${name}`);
      expect(script).toMatch(new RegExp(`[ /]${name.replace(".", "\\.")}[" ;]`));
    }
    for (const [name, { secrets }] of services) {
      for (const secret of secrets ?? []) expect(compose.secrets, name).toHaveProperty([secret]);
    }
  });

  it("holds nothing that looks like a secret itself", () => {
    for (const file of ["docker-compose.yml", "Dockerfile", "config/compose.yaml"]) {
      expect(read(file).replace(DIGESTS, ""), file).not.toMatch(
        /[0-9a-f]{32,}|[A-Za-z0-9+_-]{40,}|:\/\/[^/\s]*:[^/\s]*@/,
      );
    }
  });
});

describe("Dockerfile", () => {
  it("builds and runs on one version of the Node that is recommended", () => {
    const images = [...read("Dockerfile").matchAll(/^FROM (\S+)/gm)].map(([, image = ""]) => image);
    expect(new Set(images).size).toBe(1);
    expect(images[0]).toMatch(VERSIONED);
    expect(images[0]).toMatch(/^node:24\./);
  });

  it("ends as a user without rights, with a health check", () => {
    const stages = read("Dockerfile").split(/^FROM /m);
    expect(stages.at(-1)).toMatch(/^USER node$/m);
    expect(stages.at(-1)).toMatch(/^HEALTHCHECK /m);
  });

  it("is built from a list of files; secrets, data and git history are not among them", () => {
    const [first, ...rest] = read(".dockerignore")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    expect(first).toBe("*");
    expect(rest.filter((line) => /secrets|data|\.git|\.env/.test(line))).toEqual([]);
  });

  it("takes along what the gateway reads at start", () => {
    const last = read("Dockerfile")
      .split(/^FROM /m)
      .at(-1);
    for (const folder of ["config", "web"]) expect(last).toContain(`COPY ${folder} ./${folder}\n`);
    for (const folder of ["config", "web"]) expect(read(".dockerignore")).toContain(`\n!${folder}\n`);
  });

  it("starts the gateway with the flags every other start uses", () => {
    const entrypoint = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(read("Dockerfile"))?.[1] ?? "[]") as string[];
    expect(entrypoint).toEqual(["node", ...(JSON.parse(read("config/node-flags.json")) as string[]), "dist/main.js"]);
  });
});

describe("docker-compose.tls.yml", () => {
  /** `!override` is of Compose: the list stands in place of the one below it. */
  const override = { tag: "!override", collection: "seq" as const, resolve: (seq: unknown) => seq };
  const tls = parse(read("docker-compose.tls.yml"), { customTags: [override as never] }) as Compose;
  const { gateway, ...others } = tls.services;

  it("changes the gateway alone: MQTT over TLS in place of plain MQTT, HTTP on loopback still", () => {
    expect(others).toEqual({});
    expect(read("docker-compose.tls.yml")).toContain("ports: !override\n");
    expect(gateway?.ports).toEqual(["8883:8883", "127.0.0.1:8080:8080"]);
    const env = Object.fromEntries(Object.entries(gateway?.environment ?? {}));
    const config = loadConfig({ env: { ...env, CONSENTRY_HTTP_TOKEN: "token-of-the-account-service-in-this-test" } });
    expect(config.mqtt.tcp.enabled).toBe(false);
    expect(config.mqtt.tls).toMatchObject({ enabled: true, host: "0.0.0.0", port: 8883 });
  });

  it("mounts the certificate where the gateway looks for it", () => {
    const [, folder = "", mode] = gateway?.volumes?.[0]?.split(":") ?? [];
    expect(mode).toBe("ro");
    for (const name of ["CERT", "KEY"]) {
      expect(gateway?.environment?.[`CONSENTRY_MQTT_TLS_${name}_FILE`]).toMatch(new RegExp(`^${folder}/[a-z]+\\.pem$`));
    }
  });

  it("publishes what the image answers its health check on", () => {
    expect(service("gateway").healthcheck?.test.join(" ")).toContain("127.0.0.1:8080/readyz");
  });
});
