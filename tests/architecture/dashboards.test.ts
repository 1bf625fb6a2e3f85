/** The dashboards are whole, ask for what exists, and cannot show anything of a person or a device. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type GrafanaDashboard, queriesOf } from "../fixtures/grafana.ts";
import { faultsOf, groupedBy, LABELS } from "../fixtures/promql.ts";

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
const GRAFANA = "deploy/grafana";
const files = readdirSync(new URL(`../../${GRAFANA}/dashboards`, import.meta.url));
const dashboards = files.map(
  (file) => [file, JSON.parse(read(`${GRAFANA}/dashboards/${file}`)) as GrafanaDashboard] as const,
);
const sources = ["prometheus", "influxdb"].flatMap(
  (name) => (parse(read(`${GRAFANA}/provisioning/datasources/${name}.yaml`)) as { datasources: Source[] }).datasources,
);

interface Source {
  readonly uid: string;
  readonly type: string;
  readonly url: string;
  readonly access: string;
  readonly secureJsonData?: Readonly<Record<string, string>>;
}

it("shows every subject that has one", () => {
  expect(files.toSorted()).toEqual(
    ["crowds", "overview", "process", "refusals", "rights", "services", "stores"].map((name) => `${name}.json`),
  );
  expect(new Set(dashboards.map(([, { uid }]) => uid)).size).toBe(files.length);
});

describe.each(dashboards)("%s", (_file, dashboard) => {
  const { panels } = dashboard;

  it("has panels of Grafana's kinds, each with a title, a place of its own and queries", () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39);
    expect(dashboard.uid).toMatch(/^[a-z-]{1,40}$/);
    expect(panels.map(({ id }) => id)).toEqual(panels.map((_, index) => index + 1));
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    for (const { type, title, gridPos, targets, fieldConfig } of panels) {
      expect(["timeseries", "stat", "bargauge"], title).toContain(type);
      expect(["short", "s", "bytes", "reqps", "percentunit"], title).toContain(fieldConfig.defaults.unit);
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      expect(targets.map(({ refId }) => refId).join(""), title).toBe("ABCDEFGH".slice(0, targets.length));
      expect(targets.length, title).toBeGreaterThan(0);
    }
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });

  it("asks sources that are provisioned", () => {
    const uids = panels.flatMap(({ datasource, targets }) => [datasource, ...targets.map((one) => one.datasource)]);
    for (const { uid, type } of uids) expect(sources).toContainEqual(expect.objectContaining({ uid, type }));
  });

  it("asks for nothing that does not exist, and for nothing of a person or a device", () => {
    expect(dashboard.templating.list.map(({ name }) => name).filter((name) => name !== "instance")).toEqual([]);
    for (const { query, source, legend } of queriesOf(dashboard)) {
      if (source === "consentry-influxdb") {
        // Crowds alone: rows of devices stand under a pseudonym.
        expect(query.match(/FROM "(\w+)"/g), query).toEqual(['FROM "cell_activity"']);
        expect(query, query).not.toMatch(/"(?:device|model)"|SHOW|;|\*/i);
        expect(query).toContain("$timeFilter");
        continue;
      }
      expect(faultsOf(query), query).toEqual([]);
      const labels = [...groupedBy(query), ...[...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label)];
      expect(labels.filter((label) => !LABELS.has(label))).toEqual([]);
      expect(query).toMatch(/\$instance|ALERTS/);
    }
  });
});

it("is provisioned in compose, with the sources it finds there and no secret in a file", () => {
  const { services } = parse(read("docker-compose.yml")) as { services: Record<string, { volumes: string[] }> };
  const mounted = services.grafana?.volumes ?? [];
  expect(mounted).toContain(`./${GRAFANA}/provisioning:/etc/grafana/provisioning:ro`);
  const { providers } = parse(read(`${GRAFANA}/provisioning/dashboards/consentry.yaml`)) as {
    providers: { options: { path: string } }[];
  };
  expect(mounted).toContain(`./${GRAFANA}/dashboards:${providers[0]?.options.path}:ro`);
  for (const { url, access, secureJsonData = {} } of sources) {
    expect(Object.keys(services)).toContain(new URL(url).hostname);
    expect(access).toBe("proxy");
    for (const value of Object.values(secureJsonData)) expect(value).toMatch(/\$__file\{\/run\//);
  }
  expect(services.prometheus?.volumes).toContain("./deploy/prometheus:/etc/consentry:ro");
});
