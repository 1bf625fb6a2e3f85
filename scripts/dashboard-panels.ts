/**
 * What the dashboards show: one row a panel, its queries with their legends. No query can name a person or a device: metrics
 * have closed labels, and of the store only `cell_activity` is asked, which tells crowds alone.
 */

export type Source = "prometheus" | "influxdb";

export interface Panel {
  readonly title: string;
  readonly kind: "timeseries" | "stat" | "bargauge";
  /** Of Grafana: `short`, `s`, `bytes`, `reqps`, `percentunit`. */
  readonly unit: string;
  readonly help?: string;
  readonly queries: readonly (readonly [query: string, legend: string])[];
}

export interface Dashboard {
  /** Of the file. */
  readonly name: string;
  readonly title: string;
  readonly source: Source;
  readonly panels: readonly Panel[];
}

const HERE = 'instance=~"$instance"';

export const DASHBOARDS: readonly Dashboard[] = [
  prometheus("overview", "overview", [
    stat("Ready gateways", [[`sum(min by (instance) (consentry_ready{${HERE}}))`, "ready"]]),
    stat("Firing alarms", [[`count(ALERTS{alertstate="firing",alertname=~"Consentry.*"}) or vector(0)`, "firing"]]),
    stat("Versions", [[`count by (version, node) (consentry_build_info{${HERE}})`, "{{version}} on Node.js {{node}}"]]),
    stat("Queue used", [[`max(${all("backlog_bytes")} / ${all("backlog_limit_bytes")})`, "used"]], "percentunit"),
    lines("Messages", "reqps", [
      [perSecond("messages_received_total"), "received"],
      [perSecond("messages_stored_total"), "stored"],
      [perSecond("messages_forwarded_only_total"), "forwarded only"],
      [perSecond("messages_refused_total"), "refused"],
      [perSecond("messages_dead_lettered_total"), "dead letters"],
    ]),
    lines("Time to the PUBACK", "s", quantiles("puback_seconds")),
    lines("In progress", "short", [
      [`sum(${all("messages_in_flight")})`, "in flight"],
      [`max(${all("backlog_messages")})`, "in the queue"],
    ]),
    lines("Age of the oldest batch", "s", [[`max(${all("backlog_oldest_seconds")})`, "oldest"]]),
    lines("Connections", "short", [[`sum by (kind) (${all("connections")})`, "{{kind}}"]]),
    lines("Gateways that are not ready", "short", [[`sum by (reason) (1 - ${all("ready")})`, "{{reason}}"]]),
  ]),
  prometheus("refusals", "refusals", [
    lines("Messages refused", "reqps", [[perSecond("messages_refused_total", "reason"), "{{reason}}"]]),
    lines("Connections refused", "reqps", [[perSecond("connections_refused_total", "reason"), "{{reason}}"]]),
    lines("Security events", "reqps", [[perSecond("security_events_total", "kind"), "{{kind}}"]]),
    lines("HTTP requests refused", "reqps", [[perSecond("http_refused_total", "reason"), "{{reason}}"]]),
    lines("Parts of a status left out", "reqps", [[perSecond("properties_dropped_total", "why"), "{{why}}"]]),
    lines("Dead letters made", "reqps", [[perSecond("messages_dead_lettered_total", "reason"), "{{reason}}"]]),
    lines("Times replaced, messages repeated", "reqps", [
      [perSecond("clock_replaced_total"), "time replaced"],
      [perSecond("messages_repeated_total"), "repeated"],
    ]),
    lines("Lines of the log to look at", "short", [
      [`sum by (alarm) (increase(${all("log_alarms_total")}[1h]))`, "{{alarm}}"],
    ]),
  ]),
  prometheus("rights", "rights of people", [
    lines(
      "Withdrawals",
      "s",
      [...quantiles("withdrawal_seconds"), [`max(${all("lease_seconds")})`, "consent.leaseMs"]],
      "From the request to a truthful answer.",
    ),
    lines("Open erasures", "short", [[`max by (state) (${all("erasures_open")})`, "{{state}}"]]),
    lines("Age of the oldest erasure and hold", "s", [
      [`max(${all("erasure_oldest_seconds")})`, "erasure"],
      [`max(${all("hold_oldest_seconds")})`, "legal hold"],
    ]),
    lines("From the request of an erasure to its receipt", "s", quantiles("erasure_seconds")),
    lines("Erasures completed in an hour", "short", [
      [`sum by (outcome) (increase(${all("erasures_total")}[1h]))`, "{{outcome}}"],
    ]),
    lines("Services that have to forget names", "short", [
      [`max(${all("erasure_services_unanswered")})`, "have not answered"],
      [`max(${all("erasure_notices_waiting")})`, "names wait for a digest"],
    ]),
    lines("People under a legal hold", "short", [[`max(${all("holds_open")})`, "people"]]),
    lines("Devices whose consent a newer policy suspends", "short", [
      [`max by (purpose) (${all("devices_suspended")})`, "{{purpose}}"],
    ]),
    lines("Not used for want of consent", "reqps", [
      [
        `sum by (reason) (rate(consentry_messages_refused_total{${HERE},reason=~"no-consent|consent-.*|policy-superseded|guardian-missing|purpose-denied|legal-hold"}[$__rate_interval]))`,
        "{{reason}}",
      ],
    ]),
    lines("Damaged records in an hour", "short", [
      [`sum by (kind) (increase(${all("damaged_records_total")}[1h]))`, "{{kind}}"],
    ]),
    lines("Audit lines that came late in an hour", "short", [
      [`sum(increase(${all("audit_late_total")}[1h]))`, "late"],
    ]),
    lines("Age of the newest backup", "s", [[`min(${all("backup_age_seconds")})`, "backup"]]),
  ]),
  prometheus("services", "services", [
    lines("Services", "short", [
      [`max by (origin) (${all("services")})`, "{{origin}}"],
      [`max(${all("services_not_covered")})`, "not covered by the policy"],
    ]),
    lines("Handed over", "reqps", [
      [perSecond("forwarded_total", "purpose"), "{{purpose}}"],
      [perSecond("current_told_total", "purpose"), "{{purpose}}, what is current"],
    ]),
    lines("Missed, cut off, ended in an hour", "short", [
      [`sum(increase(${all("forward_dropped_total")}[1h]))`, "records missed"],
      [`sum(increase(${all("services_cut_off_total")}[1h]))`, "connections cut off"],
      [`sum(increase(${all("services_ended_total")}[1h]))`, "connections ended"],
    ]),
    lines("Commands of scene services", "reqps", [[perSecond("commands_total", "outcome"), "{{outcome}}"]]),
    lines("Forecasts of weather services", "reqps", [[perSecond("forecasts_total", "outcome"), "{{outcome}}"]]),
    lines("Notices of network services", "reqps", [[perSecond("network_notices_total", "outcome"), "{{outcome}}"]]),
    lines("People in the weather", "reqps", [[perSecond("weather_people_total", "outcome"), "{{outcome}}"]]),
    lines("Waiting for a step", "short", [
      [`sum(${all("places_waiting")})`, "places"],
      [`sum(${all("network_waiting")})`, "network"],
      [`sum(${all("current_waiting")})`, "what is current"],
    ]),
  ]),
  prometheus("stores", "store, queue and Redis", [
    lines("Writes to the store", "s", quantiles("sink_write_seconds")),
    lines("Writes that failed", "reqps", [[perSecond("sink_failures_total", "code"), "{{code}}"]]),
    lines("Queue", "bytes", [
      [`max(${all("backlog_bytes")})`, "used"],
      [`max(${all("backlog_limit_bytes")})`, "queue.backlogBytes"],
    ]),
    lines("Dead letters", "bytes", [
      [`max(${all("dead_letter_bytes")})`, "used"],
      [`max(${all("dead_letter_limit_bytes")})`, "queue.deadLetterBytes"],
    ]),
    lines("Batches", "reqps", [[perSecond("batches_total"), "sealed"]]),
    lines("Messages in a batch", "short", quantiles("batch_messages")),
    lines("Writing pauses", "short", [
      [`max(${all("breaker_open")})`, "store"],
      [`max(${all("redis_not_writable")})`, "Redis"],
    ]),
    lines("Connections that are not read for now", "short", [[`sum(${all("paused_connections")})`, "paused"]]),
    lines("Rows of places and crowds", "reqps", [
      [perSecond("places_total", "outcome"), "places {{outcome}}"],
      [perSecond("cell_activity_rows_total"), "cell_activity"],
    ]),
  ]),
  prometheus("process", "process", [
    lines("CPU", "percentunit", [
      [`sum by (instance) (rate(process_cpu_seconds_total{${processes()}}[$__rate_interval]))`, "{{instance}}"],
    ]),
    lines("Memory", "bytes", [
      [`sum by (instance) (process_resident_memory_bytes{${processes()}})`, "{{instance}} resident"],
      [`sum by (instance) (nodejs_heap_size_used_bytes{${processes()}})`, "{{instance}} heap"],
    ]),
    lines("Delay of the event loop", "s", [[`max by (quantile) (${all("event_loop_delay_seconds")})`, "{{quantile}}"]]),
    lines("Garbage collection", "percentunit", [
      [`sum by (kind) (rate(nodejs_gc_duration_seconds_sum{${processes()}}[$__rate_interval]))`, "{{kind}}"],
    ]),
    lines("Open files", "short", [
      [`sum by (instance) (process_open_fds{${processes()}})`, "{{instance}}"],
      [`min(process_max_fds{${processes()}})`, "limit"],
    ]),
    lines("Active handles", "short", [[`sum by (type) (nodejs_active_handles{${processes()}})`, "{{type}}"]]),
  ]),
  {
    name: "crowds",
    title: "crowds in the store",
    source: "influxdb",
    panels: [
      lines("People in the cells that are told", "short", [[activity('sum("devices")'), "people"]], crowds()),
      lines("Their messages", "short", [[activity('sum("messages")'), "messages"]], crowds()),
      lines("Cells that are told", "short", [[activity('count("devices")'), "cells"]]),
      {
        title: "Busiest cells",
        kind: "bargauge",
        unit: "short",
        help: crowds(),
        queries: [['SELECT mean("devices") FROM "cell_activity" WHERE $timeFilter GROUP BY "cell"', "$tag_cell"]],
      },
    ],
  },
];

function prometheus(name: string, title: string, panels: readonly Panel[]): Dashboard {
  return { name, title, source: "prometheus", panels };
}

function stat(title: string, queries: Panel["queries"], unit = "short"): Panel {
  return { title, kind: "stat", unit, queries };
}

function lines(title: string, unit: string, queries: Panel["queries"], help?: string): Panel {
  return { title, kind: "timeseries", unit, queries, ...(help !== undefined && { help }) };
}

/** A metric of the gateways that are shown. */
function all(metric: string): string {
  return `consentry_${metric}{${HERE}}`;
}

function perSecond(metric: string, label?: string): string {
  return `sum${label === undefined ? "" : ` by (${label}) `}(rate(${all(metric)}[$__rate_interval]))`;
}

function quantiles(histogram: string): [string, string][] {
  const buckets = `sum by (le) (rate(${all(`${histogram}_bucket`)}[$__rate_interval]))`;
  return [
    [`histogram_quantile(0.5, ${buckets})`, "half of them"],
    [`histogram_quantile(0.99, ${buckets})`, "99 of 100"],
  ];
}

/** Other programs have these metrics too. */
function processes(): string {
  return `job="consentry",${HERE}`;
}

/** One value for each window in which the cells are counted. */
function activity(what: string): string {
  return `SELECT ${what} FROM "cell_activity" WHERE $timeFilter GROUP BY time($__interval)`;
}

function crowds(): string {
  return "With noise, and rounded to five: sums over hours or several cells are near the truth, a single window is not.";
}
