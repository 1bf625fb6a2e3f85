/**
 * The dashboards of `deploy/grafana/dashboards`, made of the tables in `dashboard-panels.ts`: one shape for all of them, so
 * that a panel is a title, a unit and its queries. `npm run config:docs` writes them.
 */
import { DASHBOARDS, type Dashboard, type Panel, type Source } from "./dashboard-panels.ts";

/** As in `deploy/grafana/provisioning/datasources`. */
const SOURCES: Readonly<Record<Source, { readonly type: string; readonly uid: string }>> = {
  prometheus: { type: "prometheus", uid: "consentry-prometheus" },
  influxdb: { type: "influxdb", uid: "consentry-influxdb" },
};

/** Of 24 columns. */
const WIDTHS = { stat: 6, timeseries: 12, bargauge: 12 } as const;
const HEIGHTS = { stat: 4, timeseries: 8, bargauge: 8 } as const;
const COLUMNS = 24;

/** Path from the root of the repository → content. */
export function dashboardFiles(): [string, string][] {
  return DASHBOARDS.map((dashboard) => [
    `deploy/grafana/dashboards/${dashboard.name}.json`,
    `${JSON.stringify(dashboardOf(dashboard), null, 2)}\n`,
  ]);
}

function dashboardOf({ name, title, source, panels }: Dashboard): object {
  return {
    uid: `consentry-${name}`,
    title: `Consentry: ${title}`,
    tags: ["consentry"],
    schemaVersion: 39,
    version: 1,
    editable: false,
    timezone: "utc",
    refresh: "30s",
    time: { from: source === "influxdb" ? "now-7d" : "now-6h", to: "now" },
    templating: { list: source === "influxdb" ? [] : [instanceVariable()] },
    links: [{ type: "dashboards", title: "Consentry", tags: ["consentry"], asDropdown: false, keepTime: true }],
    panels: placed(panels).map(({ panel, gridPos }, index) => panelOf(panel, source, index + 1, gridPos)),
  };
}

/** Which gateways are shown; of a person or a device there is no variable. */
function instanceVariable(): object {
  return {
    name: "instance",
    label: "Gateway",
    type: "query",
    datasource: SOURCES.prometheus,
    query: { query: "label_values(consentry_build_info, instance)", refId: "instance" },
    includeAll: true,
    allValue: ".*",
    multi: true,
    current: { text: "All", value: "$__all" },
    refresh: 2,
    sort: 1,
  };
}

interface GridPosition {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

/** In rows from left to right; a row is as high as its highest panel. */
function placed(panels: readonly Panel[]): { panel: Panel; gridPos: GridPosition }[] {
  let [x, y, rowHeight] = [0, 0, 0];
  return panels.map((panel) => {
    const [w, h] = [WIDTHS[panel.kind], HEIGHTS[panel.kind]];
    if (x + w > COLUMNS) [x, y, rowHeight] = [0, y + rowHeight, 0];
    const gridPos = { x, y, w, h };
    x += w;
    rowHeight = Math.max(rowHeight, h);
    return { panel, gridPos };
  });
}

function panelOf({ title, kind, unit, help, queries }: Panel, source: Source, id: number, gridPos: GridPosition) {
  return {
    id,
    type: kind,
    title,
    ...(help !== undefined && { description: help }),
    datasource: SOURCES[source],
    gridPos,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options:
      kind === "timeseries"
        ? { legend: { showLegend: true, displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } }
        : { reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false } },
    targets: queries.map(([query, legend], index) => targetOf(query, legend, source, "ABCDEFGH"[index] ?? "")),
  };
}

function targetOf(query: string, legend: string, source: Source, refId: string): object {
  const datasource = SOURCES[source];
  if (source === "prometheus") return { refId, datasource, expr: query, legendFormat: legend };
  return { refId, datasource, query, rawQuery: true, resultFormat: "time_series", alias: legend };
}
