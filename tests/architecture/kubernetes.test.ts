/** The manifests fit together and keep what the gateway promises: not root, secrets for their owner alone, a drain that is waited for. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { VERSION } from "../../src/observe/version.ts";
import { readKeys } from "../../src/platform/keys/files.ts";
import {
  disruptionBudget,
  kustomization,
  networkPolicy,
  service,
  serviceAccount,
  statefulSet,
} from "../fixtures/kubernetes.ts";

const ROOT = fileURLToPath(new URL("../../deploy/kubernetes", import.meta.url));
const BASE = join(ROOT, "base");
const EXAMPLE = join(ROOT, "overlays/example");
const read = (file: string) => readFileSync(join(BASE, file), "utf8");

const base = kustomization.parse(parse(read("kustomization.yaml")));
const gateway = statefulSet.parse(parse(read("gateway.yaml")));
const pod = gateway.spec.template;
const [main] = pod.spec.containers;
const [first] = pod.spec.initContainers;
const services = parseAllDocuments(read("services.yaml")).map((one) => service.parse(one.toJS()));
const policy = networkPolicy.parse(parse(read("network-policy.yaml")));
const budget = disruptionBudget.parse(parse(read("disruption-budget.yaml")));
const account = serviceAccount.parse(parse(read("service-account.yaml")));

const dir = mkdtempSync(join(tmpdir(), "kubernetes-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("the base", () => {
  it("lists every file it has", () => {
    const listed = [...base.resources, ...(base.configMapGenerator ?? []).flatMap(({ files }) => files)];
    expect(readdirSync(BASE).toSorted()).toEqual([...listed, "kustomization.yaml"].toSorted());
  });

  it("selects the gateways everywhere by labels that they have", () => {
    const selectors = [gateway.spec.selector, policy.spec.podSelector, budget.spec.selector].map(
      (one) => one.matchLabels,
    );
    for (const labels of [...selectors, ...services.map(({ spec }) => spec.selector)])
      expect(pod.metadata.labels).toEqual(labels);
  });

  it("names ports, accounts, volumes and maps that exist", () => {
    const ports = main.ports.map(({ name }) => name);
    for (const { spec } of services) for (const { targetPort } of spec.ports) expect(ports).toContain(targetPort);
    for (const { ports: allowed } of policy.spec.ingress) for (const { port } of allowed) expect(ports).toContain(port);
    expect(services.find(({ metadata }) => metadata.name === gateway.spec.serviceName)?.spec.clusterIP).toBe("None");
    expect(pod.spec.serviceAccountName).toBe(account.metadata.name);
    const volumes = [...pod.spec.volumes.map(({ name }) => name), gateway.spec.volumeClaimTemplates[0].metadata.name];
    const mounted = [...first.volumeMounts, ...main.volumeMounts].map(({ name }) => name);
    expect([...new Set(mounted)].toSorted()).toEqual(volumes.toSorted());
    const maps = pod.spec.volumes.flatMap((one) => ("configMap" in one ? [one.configMap.name] : []));
    expect(maps).toEqual(base.configMapGenerator?.map(({ name }) => name));
  });

  it("holds no secret, only the names of some", () => {
    for (const file of readdirSync(BASE)) {
      expect(read(file)).not.toMatch(/kind: Secret|secretGenerator|stringData|[0-9a-f]{32}/);
    }
  });

  it("runs one image of this version, as the user that the image is made for, writing to its volumes alone", () => {
    expect(new Set([first.image, main.image])).toEqual(new Set([`consentry:${VERSION}`]));
    expect(pod.spec.securityContext).toMatchObject({ runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 });
    const writable = main.volumeMounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath);
    expect(writable).toEqual(["/var/lib/consentry", "/tmp"]);
  });

  it("asks the listener of health, and lets readiness fall before the first listener closes and the drain end before the kill", () => {
    for (const { httpGet } of [main.startupProbe, main.livenessProbe, main.readinessProbe])
      expect(httpGet.port).toBe("health");
    expect(main.livenessProbe.httpGet.path).toBe("/livez");
    expect(main.readinessProbe.httpGet.path).toMatch(/^\/readyz/);
    const { observe, queue, mqtt, metrics } = config();
    expect(main.ports).toContainEqual({ name: "health", containerPort: metrics.port });
    const { periodSeconds, failureThreshold, timeoutSeconds = 1 } = main.readinessProbe;
    expect((periodSeconds + timeoutSeconds) * failureThreshold * 1_000).toBeLessThan(observe.stoppingMs);
    const drainMs = observe.stoppingMs + 2 * (queue.stopDeadlineMs + mqtt.drainTimeoutMs) + mqtt.enqueueDeadlineMs;
    expect(pod.spec.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(drainMs);
  });
});

/** The files of a secret as Kubernetes mounts them: readable by the group, each a link into a folder of its own. */
function mounted(name: string, files: readonly (readonly [string, string])[]): void {
  const folder = join(dir, "from", name);
  mkdirSync(join(folder, "..data"), { recursive: true });
  for (const [path, content] of files) {
    const [top = "", below] = path.split("/");
    mkdirSync(join(folder, "..data", below === undefined ? "" : top), { recursive: true });
    writeFileSync(join(folder, "..data", path), content);
    chmodSync(join(folder, "..data", path), 0o440);
    if (!existsSync(join(folder, top))) symlinkSync(join("..data", top), join(folder, top));
  }
}

const here = (text: string) => text.replaceAll("/run/secrets", join(dir, "run")).replaceAll("/from/", `${dir}/from/`);

/** What the gateway reads after the first container has run. */
function config() {
  if (!existsSync(join(dir, "run"))) {
    const random = (seed: number) => Buffer.from(Array.from({ length: 32 }, (_, i) => (i * 37 + seed * 101) % 251));
    const names = ["redis.url", "http.token", "metrics.token", "influx.token"];
    mounted(
      "secrets",
      names.map((name, at) => [name, name === "redis.url" ? "redis://redis:6379" : random(at).toString("hex")]),
    );
    const keys = pod.spec.volumes.flatMap((one) => ("secret" in one ? (one.secret.items ?? []) : []));
    mounted(
      "keys",
      keys.map(({ path }, at) => [path, random(50 + at).toString("hex")]),
    );
    mounted("tls", [
      ["tls.crt", "chain"],
      ["tls.key", "key"],
    ]);
    mkdirSync(join(dir, "run"));
    execFileSync(first.command[0] ?? "", [...first.command.slice(1), here(first.args[0])]);
  }
  const file = join(dir, "consentry.yaml");
  writeFileSync(file, here(read("consentry.yaml")));
  return loadConfig({ file, env: {} });
}

it("gives the gateway its secrets for their owner alone, as it demands", () => {
  const loaded = config();
  expect(loaded.metrics).toMatchObject({ enabled: true, token: expect.any(String) });
  expect(readKeys(loaded.keys.dir, { create: false }).queue.active).toBe("q0001");
  for (const path of [loaded.mqtt.tls.certFile, loaded.mqtt.tls.keyFile]) expect(existsSync(path ?? "")).toBe(true);
  // Without the copy they would be refused.
  expect(() =>
    loadConfig({
      file: join(dir, "consentry.yaml"),
      env: { CONSENTRY_HTTP_TOKEN_FILE: join(dir, "from/secrets/http.token") },
    }),
  ).toThrow("http.tokenFile: readable-by-others");
});

describe("the example of an overlay", () => {
  const overlay = kustomization.parse(parse(readFileSync(join(EXAMPLE, "kustomization.yaml"), "utf8")));

  it("stands on the base and changes what the base has", () => {
    expect(overlay.resources).toContain("../../base");
    for (const path of [...overlay.resources, ...(overlay.patches ?? []).map((patch) => patch.path)])
      expect(existsSync(join(EXAMPLE, path)), path).toBe(true);
    expect(overlay.images?.map(({ name, newTag }) => `${name}:${newTag}`)).toEqual([main.image]);
    expect(overlay.replicas?.map(({ name }) => name)).toEqual([gateway.metadata.name]);
    const patch = parse(readFileSync(join(EXAMPLE, "mqtt-service.yaml"), "utf8")) as { metadata: { name: string } };
    expect(services.map(({ metadata }) => metadata.name)).toContain(patch.metadata.name);
  });

  it("demands of every pod of its namespace what the gateway keeps", () => {
    const namespace = parse(readFileSync(join(EXAMPLE, "namespace.yaml"), "utf8")) as {
      metadata: { name: string; labels: Record<string, string> };
    };
    expect(namespace.metadata.name).toBe(overlay.namespace);
    expect(namespace.metadata.labels["pod-security.kubernetes.io/enforce"]).toBe("restricted");
  });
});
