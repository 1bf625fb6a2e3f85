/** `docs/benchmarks.md`, made of one complete run. */
import { type BenchRun, rowsOf, summary } from "./figures.ts";
import { FIRST_CONNECTIONS } from "./idle-memory.ts";
import { cells, consoleRows, countedRows, HEAD, loopRows, memoryRows, ratioRows } from "./report.ts";
import { RAMP_MS, SCENE_DEVICES } from "./scenarios.ts";

export function markdown(run: BenchRun): string {
  const { environment: env } = run;
  const figures = summary(run);
  const versions = Object.entries(env.versions).map(([name, version]) => `${name} ${version}`);
  return `# Benchmarks

This page is written by \`npm run bench -- --write\`, which refuses a partial run and one whose windows contradict each other.
Rates, latencies and microseconds depend on the machine and on what else it does; the multiples of bare Aedes and the
figures for each message are those that can be compared with another run.

${env.cpu}, ${env.cores} cores, ${env.memoryGib} GiB, loader and servers on the same cores. Commit ${env.commit}, ${env.date}.
${versions.join(" · ")}.

${tableOf(["ratio of neighbouring windows", "value"], ratioRows(run))}

${tableOf(["for each message of the whole path, at its peak", "value"], countedRows(run))}

${tableOf(HEAD, rowsOf(run).map(cells))}

${tableOf(["figure", "value"], figureRows(run))}

## How it is measured

- **Windows.** All gateways, with servers of their own, and bare Aedes are started once and kept warm. Then they are loaded in
  turn, one at a time and always in the same order, ${run.pairs} windows of ${run.durationMs / run.pairs / 1000} s each. What the machine does
  to one window it does to its neighbour as well, so ratios are taken of neighbours, and the median and the quartiles of these
  ratios are reported. Rates and CPU in the table are medians of windows; latencies are those of all messages of all windows.
- **Load.** ${run.devices} devices, each on a connection of its own with 20 unacknowledged messages, QoS 1, about 150 bytes of JSON
  with changing coordinates and status. Packets are encoded before the run and sent over raw sockets, half a window in
  one write, by a process of its own for each system (${figures.loaderCpuUs ?? "–"} µs of CPU per message). The first ${RAMP_MS} ms of each window
  are thrown away.
- **Whole path.** The gateway as shipped, Redis with \`appendfsync always\`, InfluxDB, all fresh. Every device has consented to
  analytics, weather and scene; no service listens, unless that is said. Limits per device are lifted, nothing else is configured.
- **MQTT 5** is the whole path with devices that speak it: the same messages, and acknowledgements with a reason code.
- **zigbee2mqtt** and **tasmota** are the whole path with devices that speak these dialects (\`bench/dialect-loads.ts\`):
  ${Math.ceil(run.devices / 16)} hubs with 16 devices behind each, which take turns, so that as many devices speak, and ${run.devices} plugs that tell their state and their meter in turn. Their
  payloads are twice as long as those of the contract, half of the keys are nothing that is taken, and none tells a place.
- **Services listening** is the same with a weather and a scene service that subscribe to everything of their purpose: one
  message goes out for each that comes in (weather is told of crowds outdoors), and all of them must have arrived before the window counts as ended. They are read
  in the loader's process.
- **Two members** is the same, and the scene service is two connections that share one subscription: each name goes to one of the two,
  so as many messages go out.
- **Scene loop** is a run of its own: ${SCENE_DEVICES} devices that each publish an event every 0.6 s with QoS 1, a scene service that answers each with a
  command, and the time from the event to the command at its device. Both are MQTT.js in one process; the gateway stores as well.
  A run in which a command does not come is no result.
- **Console** is a run of its own: one gateway, in turn with and without a process that holds the stream and reads the last hour as a tab does. At rest it stands
  beside a gateway without a console, so that the listener and its look each 5 s count too.
- **At a rate** is what fleets do: so many messages a second of all devices together, each in a write and so in a packet of its own. These windows come before those at the
  peak, because a gateway that has been there is another one. *All µs* is the CPU of all processes but the loader for each message.
- **mosquitto-script** is what many begin with (\`bench/peers\`): Mosquitto in memory and a program that hears it with MQTT.js and writes with the buffering InfluxDB client. Its PUBACK
  promises nothing, no consent is asked, and what is stored bears the names of devices. **rabbitmq-quorum** is RabbitMQ with its MQTT plugin and a quorum queue, which
  acknowledges what its log has synced to disk; it stores nothing in InfluxDB and asks no one.
- **Stored per second** is the number of messages acknowledged from the start of the window on, divided by the time until the
  last of them was stored: a backlog that grows during a window is paid for in it. A run in which a message was refused, a
  connection lost, an acknowledgement out of order, or in which InfluxDB counts other rows than the gateway, is no result.
- **CPU per message** is user and system time of the whole process from the kernel, over the same span.
- **Others' CPU** is the share of the machine that processes outside of the bench took meanwhile. Beyond a few percent the
  rates and latencies of that row say more about them than about the gateway; neighbours of a virtual machine do not show.
- **Bytes allocated** are those of V8's heap in the gateway: the growth of the used heap between collections, which V8 reports
  before and after each. Memory of buffers lies outside of that heap. A hook that the bench preloads answers for it.
- **Reads and writes** are the system calls that the kernel counts in \`/proc/<pid>/io\`: \`read\`, \`write\` and their like on files,
  pipes and sockets. Waiting for events, \`sendmsg\` and all others are not among them.
- **Redis and InfluxDB** report their own counts (\`INFO\`, \`SHOW STATS\`). Commands given by a script count like those of a client.
  Both readings of all these counts are taken while nothing is in progress, and cover the drain and the questions of the bench.
- **Bare Aedes** acknowledges the same load from memory.
- **Latency** runs from the moment a message was due to its PUBACK. At half of the peak the devices send the same bursts as at the
  peak; "singly" sends every message in a packet of its own, which costs loader and gateway more per message.
- **One job per message** is Aedes, one BullMQ job for each message, 64 workers and the buffering InfluxDB client: without
  consent, sealing or coarsening. It is not tuned, and in a closed loop its intake starves its own workers: a sender that
  holds back would see somewhat more stored per second. It is measured in one window, on its own.
- **Consent and sealing off** is the same gateway composed with a gate that lets everything pass and an envelope that leaves the
  batch readable (\`bench/no-privacy.ts\`). Leases, pseudonyms and coarsening stay. The product has no such switch.
- **Memory** is resident memory after garbage collection, ${run.idleConnections.toLocaleString("en")} authenticated connections against ${FIRST_CONNECTIONS.toLocaleString("en")}. *After load* it is read as it is, with all
  devices connected, when the last message of a peak is stored and a minute of quiet later.

## Before and after a change

\`npm run bench -- --against <path of another checkout> --only path\` measures this checkout and another one in the same turns
and reports the ratio in the same way. The other one needs its packages installed; it runs its own sources under its own
flags, with a configuration file. \`--node-flags="<flags>"\` does the same with this checkout under other flags of Node, \`--traced <share>\` with
this share of its batches [traced](operations/tracing.md).

Windows cancel what the machine does; they do not cancel what differs from one start of a process to the next, such as the
state of its heap. The quartiles of one run do not show that. Start the comparison several times, and compare the checkout
with itself (\`--against .\`) to see which differences mean nothing: [009](decisions/009-node-flags.md) has an example, with
identical processes up to 14 % apart.
`;
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|---|${"---:|".repeat(head.length - 1)}`, ...rows.map(line)].join("\n");
}

function figureRows(run: BenchRun): [string, string][] {
  const figures = summary(run);
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const rows: [string, string | undefined][] = [
    [
      "stored per second, as a multiple of one job per message",
      multiple(figures.endToEndPerSecond, figures.onePerJob?.endToEndPerSecond),
    ],
    [
      "messages to services per second, beside storing",
      present(figures.withServices, ({ forwardedPerSecond }) => forwardedPerSecond.toLocaleString("en")),
    ],
    ...loopRows(run),
    ...consoleRows(run),
    ...memoryRows(run),
    ["share of the rate that consent and sealing cost", present(figures.privacyCostShare, percent)],
    ["share of the gateway's CPU that consent and sealing cost", present(figures.privacyCpuShare, percent)],
    ["memory per idle connection, gateway", present(figures.idleConnectionKb, (kb) => `${kb} KB`)],
    ["memory per idle connection, bare Aedes", present(figures.idleConnectionKbBareAedes, (kb) => `${kb} KB`)],
  ];
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as [string, string]]));
}

function multiple(value: number | undefined, of: number | undefined): string | undefined {
  return value === undefined || of === undefined || of === 0 ? undefined : `${(value / of).toFixed(2)} ×`;
}

function present<Value>(value: Value | undefined, as: (value: Value) => string): string | undefined {
  return value === undefined ? undefined : as(value);
}
