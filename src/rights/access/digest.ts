/** Reduces an export to the figures the plain-word summary needs: it stays small however long the export is. Pure. */
import type { ExportItem, ExportLineOf } from "../../model/export.ts";
import type { DeviceKey } from "../../model/ids.ts";

export interface DeviceDigest {
  readonly line: ExportLineOf<"device">;
  decision?: ExportLineOf<"decision">;
  place?: ExportLineOf<"location">;
  /** Not stored yet. */
  noted?: ExportLineOf<"noted-place">;
  told?: ExportLineOf<"noted-network">;
  scene?: ExportLineOf<"noted-scene">;
  places: number;
  readings: number;
  firstAt: number;
  lastAt: number;
}

interface Disclosed {
  readonly recipient: string;
  readonly purpose: string;
  readonly region: string;
  count: number;
  from: string;
  to: string;
}

export interface Digest {
  head?: ExportLineOf<"export">;
  readonly devices: Map<DeviceKey, DeviceDigest>;
  readonly disclosed: Map<string, Disclosed>;
  readonly holds: ExportLineOf<"hold">[];
  readonly erasures: ExportLineOf<"erasure">[];
  /** As many as the vocabulary has. */
  readonly properties: ExportLineOf<"property">[];
  events: number;
  setAside: number;
}

/** Reads the items to their end. Rejects when they do. */
export async function digestOf(items: AsyncIterable<ExportItem> | Iterable<ExportItem>): Promise<Digest> {
  const digest: Digest = {
    devices: new Map(),
    disclosed: new Map(),
    holds: [],
    erasures: [],
    properties: [],
    events: 0,
    setAside: 0,
  };
  for await (const item of items) note(digest, item);
  return digest;
}

function note(digest: Digest, item: ExportItem): void {
  switch (item.kind) {
    case "export":
      digest.head = item;
      return;
    case "consent-record":
      digest.events = item.record.events.length;
      return;
    case "device":
      digest.devices.set(item.device, { line: item, places: 0, readings: 0, firstAt: 0, lastAt: 0 });
      return;
    case "hold":
      digest.holds.push(item);
      return;
    case "erasure":
      digest.erasures.push(item);
      return;
    case "property":
      digest.properties.push(item);
      return;
    case "set-aside":
      digest.setAside += 1;
      return;
    case "disclosure":
      noteDisclosure(digest.disclosed, item);
      return;
    default:
      noteAboutDevice(digest.devices.get(item.device), item);
  }
}

function noteAboutDevice(
  device: DeviceDigest | undefined,
  item: ExportLineOf<"decision" | "noted-place" | "noted-network" | "noted-scene" | "location" | "status">,
): void {
  if (device === undefined) return;
  if (item.kind === "decision") {
    device.decision = item;
  } else if (item.kind === "noted-place") {
    device.noted = item;
  } else if (item.kind === "noted-network") {
    device.told = item;
  } else if (item.kind === "noted-scene") {
    device.scene = item;
  } else if (item.kind === "location") {
    device.places += 1;
    if (device.place === undefined || item.epochStart > device.place.epochStart) device.place = item;
  } else {
    device.readings += 1;
    device.firstAt = device.readings === 1 ? item.at : Math.min(device.firstAt, item.at);
    device.lastAt = Math.max(device.lastAt, item.at);
  }
}

function noteDisclosure(disclosed: Map<string, Disclosed>, item: ExportLineOf<"disclosure">): void {
  const { recipient, purpose, region, day, count } = item;
  const key = JSON.stringify([recipient, purpose, region]);
  const known = disclosed.get(key);
  if (known === undefined) {
    disclosed.set(key, { recipient, purpose, region, count, from: day, to: day });
    return;
  }
  known.count += count;
  if (day < known.from) known.from = day;
  if (day > known.to) known.to = day;
}
