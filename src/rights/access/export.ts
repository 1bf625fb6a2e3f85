/**
 * Access and portability: all data about a data subject, item by item, read while it is sent. Readability of everything
 * is checked first; a later fault ends the items with an error, so that an incomplete export never looks complete.
 */

import type { ConsentRecord } from "../../model/consent-record.ts";
import type { DeviceConnection } from "../../model/device-connection.ts";
import { WIDEST_ROW_STEP_MS } from "../../model/durations.ts";
import type { ErasureStatus } from "../../model/erasure.ts";
import { GatewayError } from "../../model/errors.ts";
import { type BegunExport, EXPORT_FORMAT, type ExportItem, type ExportRequest } from "../../model/export.ts";
import { refusedAsGuardian } from "../../model/guardian.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../model/ids.ts";
import type { NetworkNote, SaidValue } from "../../model/network.ts";
import type { PlaceRecord } from "../../model/place.ts";
import type { SceneNote } from "../../model/scene.ts";
import type { StoredRow } from "../../model/sink.ts";
import { faultCode } from "../../platform/fault-code.ts";
import type { NameTimes } from "../erasure/names-ever-given.ts";
import { namesFor } from "./names.ts";
import type { ExportPorts, KeyedFacts } from "./ports.ts";
import { ExportTurns } from "./slots.ts";
import { summaryOf } from "./summary.ts";

/** Everything small, gathered before the first item. */
interface Gathered {
  readonly at: number;
  readonly first: readonly ExportItem[];
  readonly devices: readonly DeviceKey[];
  /** The device of each name under which rows can be stored; names of one device together, oldest first. */
  readonly names: ReadonlyMap<Pseudonym, DeviceKey>;
  readonly times: NameTimes;
}

const MAX_EXPORTS = 4;
/** Of a property that an operator has taken out the name and the kind alone are remembered. */
const NO_LONGER = "not taken any more; kept as it was stored until its time is over";

export class Exports {
  /** The same in plain words, after all of it was read. */
  readonly summary = summaryOf;
  readonly #ports: ExportPorts;
  readonly #turns = new ExportTurns(MAX_EXPORTS);

  constructor(ports: ExportPorts) {
    this.#ports = ports;
  }

  /** Throws REDIS_UNAVAILABLE, LEDGER_BROKEN, SINK_UNAVAILABLE, SINK_DENIED before anything is sent. */
  async begin(tag: SubjectTag, request: ExportRequest): Promise<BegunExport> {
    // The key before the record: an erasure that begins in between then appears in one of them, or in both.
    const keyed = await this.#ports.facts(tag);
    const record = await this.#ports.ledger.record(tag);
    if (record === undefined) return { refused: "unknown-subject" };
    const foreign = refusedAsGuardian(record.guardian, request);
    if (foreign !== undefined) return { refused: foreign };
    const devices = everBound(record);
    if (request.asked?.some((device) => !devices.includes(device))) return { refused: "device-not-bound" };
    const release = this.#turns.take(tag);
    if (release === undefined) return { refused: "too-many-exports" };
    const ending = new AbortController();
    const close = (): void => {
      ending.abort();
      release();
    };
    try {
      const gathered = await this.#gather(tag, keyed, record, devices, request);
      if (gathered.names.size > 0) await this.#ports.rows.check(ending.signal);
      return { items: this.#items(tag, gathered, ending.signal, close), close };
    } catch (error) {
      close();
      throw error;
    }
  }

  async #gather(
    tag: SubjectTag,
    keyed: KeyedFacts,
    record: ConsentRecord,
    devices: readonly DeviceKey[],
    request: ExportRequest,
  ): Promise<Gathered> {
    const { disclosures, erasures, erasureRecords, now } = this.#ports;
    const at = now();
    const bound = record.devices.map(({ device }) => device);
    const asked = record.events.flatMap((event) => (event.type === "erasure-requested" ? [event.erasure] : []));
    const [contact, connections, decided, given, times] = await Promise.all([
      this.#ports.contact(),
      this.#ports.deviceConnections.of(tag, bound),
      this.#ports.decisions(tag, bound),
      disclosures.of(tag),
      erasureRecords.times(),
    ]);
    // An erasure that has not come to its end leaves rows under a key that is no longer the subject's.
    const under = [keyed, ...(await Promise.all(asked.map((id) => erasureRecords.read(id))))];
    const states = await Promise.all(asked.map((id) => erasures.status(id)));
    const { names, keyLost } = await namesFor(under, { times, nowMs: at }, this.#ports);
    const { wrappedSubjectKey } = keyed;
    const key = keyLost ? undefined : wrappedSubjectKey;
    const places = key === undefined ? [] : await this.#ports.places.of(tag, key, bound);
    const network = key === undefined ? [] : await this.#ports.network.of(tag, key, bound);
    const scenes = key === undefined ? [] : await this.#ports.scenes.of(tag, key, bound);
    const { controller } = record;
    const head = { kind: "export", format: EXPORT_FORMAT, at, controller, subject: tag, by: request.by } as const;
    return {
      at,
      devices,
      times,
      names,
      first: [
        { ...head, ...(contact && { contact }), ...(keyLost && { incomplete: "key-lost" as const }) },
        { kind: "consent-record", record },
        ...devices.map((device) => deviceItem(device, bound.includes(device), request, connections.get(device))),
        ...decided,
        ...record.holds.map(({ ref, until }) => ({ kind: "hold" as const, reference: ref, until })),
        ...[...places].map(([device, place]) => notedPlaceItem(device, place, this.#ports.centerOf)),
        ...[...network].map(([device, note]) => notedNetworkItem(device, note)),
        ...[...scenes].map(([device, note]) => notedSceneItem(device, note)),
        ...states.flatMap((status) => (status === undefined ? [] : [erasureItem(status)])),
        ...given.map((disclosure) => ({ kind: "disclosure" as const, ...disclosure })),
      ],
    };
  }

  async *#items(
    tag: SubjectTag,
    gathered: Gathered,
    signal: AbortSignal,
    close: () => void,
  ): AsyncGenerator<ExportItem> {
    try {
      yield* gathered.first;
      for (const device of gathered.devices) yield* this.#ports.setAside(tag, device);
      const occurring = new Set<string>();
      yield* this.#rows("device_location", gathered, signal, occurring);
      yield* this.#rows("device_status", gathered, signal, occurring);
      for (const property of this.#ports.properties) {
        if (occurring.delete(property.name)) yield { kind: "property", ...property };
      }
      for (const name of occurring) yield { kind: "property", name, label: name, stored: NO_LONGER, scene: "nothing" };
    } catch (error) {
      if (!signal.aborted) {
        this.#ports.log.error("export aborted", { code: faultCode(error), stage: "export" });
      }
      throw error;
    } finally {
      close();
    }
  }

  async *#rows(
    measurement: "device_status" | "device_location",
    { at, times, names }: Gathered,
    signal: AbortSignal,
    occurring: Set<string>,
  ): AsyncGenerator<ExportItem> {
    const { rows, centerOf } = this.#ports;
    const untilNs = `${at + times.clockWindowFutureMs + WIDEST_ROW_STEP_MS}000000`;
    for await (const page of rows.rows(measurement, [...names.keys()], untilNs, signal)) {
      for (const row of page) {
        const device = names.get(row.device);
        if (device === undefined) throw new GatewayError("SINK_DENIED", "rows that were not asked for");
        if (measurement === "device_location") {
          yield placeItem(device, row, centerOf);
          continue;
        }
        for (const name in row.fields) occurring.add(name);
        yield statusItem(device, row);
      }
    }
  }
}

/** Oldest first. */
function everBound({ events }: ConsentRecord): DeviceKey[] {
  return [...new Set(events.flatMap((event) => (event.type === "bound" ? [event.device] : [])))];
}

function deviceItem(
  device: DeviceKey,
  bound: boolean,
  { asked, labels }: ExportRequest,
  connection: DeviceConnection | undefined,
): ExportItem {
  const index = asked?.indexOf(device) ?? -1;
  const label = labels?.get(device);
  return {
    kind: "device",
    device,
    bound,
    ...(index >= 0 && { asked: index }),
    ...(label !== undefined && { label }),
    ...(connection !== undefined && { connection }),
  };
}

function erasureItem({ id, state, requestedAt, completedAt, receipt }: ErasureStatus): ExportItem {
  return {
    kind: "erasure",
    id,
    state,
    requestedAt,
    ...(completedAt !== undefined && { completedAt }),
    ...(receipt !== undefined && { receipt }),
  };
}

function statusItem(device: DeviceKey, { timeNs, model, fields }: StoredRow): ExportItem {
  const at = millisecondsOf(timeNs);
  return { kind: "status", device, at, timeNs, ...(model !== undefined && { model }), status: { ...fields } };
}

function placeItem(device: DeviceKey, { timeNs, fields }: StoredRow, centerOf: ExportPorts["centerOf"]): ExportItem {
  const cell = String(fields.cell);
  const center = centerOf(cell);
  return {
    kind: "location",
    device,
    cell,
    resolution: Number(fields.resolution),
    epochStart: millisecondsOf(timeNs),
    ...(center !== undefined && { center: { ...center } }),
  };
}

function notedPlaceItem(
  device: DeviceKey,
  { cell, at, before }: PlaceRecord,
  centerOf: ExportPorts["centerOf"],
): ExportItem {
  const center = centerOf(cell);
  return {
    kind: "noted-place",
    device,
    cell,
    resolution: cellResolution(cell),
    at,
    ...(center !== undefined && { center: { ...center } }),
    ...(before !== undefined && { before: { ...before } }),
  };
}

function notedNetworkItem(device: DeviceKey, { model, ipPrefix }: NetworkNote): ExportItem {
  const shown = (value: SaidValue) => ({ text: value.text, at: value.at });
  return {
    kind: "noted-network",
    device,
    ...(model !== undefined && { model: shown(model) }),
    ...(ipPrefix !== undefined && { ipPrefix: shown(ipPrefix) }),
  };
}

function notedSceneItem(device: DeviceKey, { scene: { model, status }, at }: SceneNote): ExportItem {
  return { kind: "noted-scene", device, at, ...(model !== undefined && { model }), status: { ...status } };
}

/** The hexadecimal digit of an H3 index that says it. */
function cellResolution(cell: string): number {
  return Number.parseInt(cell.charAt(1), 16);
}

function millisecondsOf(timeNs: string): number {
  return Number(timeNs.slice(0, -6));
}
