/** What an export needs from the rest of the gateway. */
import type { ConsentRecord } from "../../model/consent-record.ts";
import type { Disclosure } from "../../model/disclosure.ts";
import type { ErasureFacts, ErasureStatus } from "../../model/erasure.ts";
import type { ExportLineOf } from "../../model/export.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import type { LiveNamesInput, NameTimes } from "../erasure/names-ever-given.ts";
import type { ErasureRecord } from "../erasure/record.ts";

export interface ExportPorts extends Pick<LiveNamesInput, "pseudonym"> {
  record(tag: SubjectTag): Promise<ConsentRecord | undefined>;
  /** What the ledger knows, and the current key; no key when there is none. */
  facts(tag: SubjectTag): Promise<KeyedFacts>;
  /** The current decisions, for those of the devices that have one. */
  decisions(tag: SubjectTag, devices: readonly DeviceKey[]): Promise<readonly ExportLineOf<"decision">[]>;
  /** Only of this subject's messages, not of other owners of the device. */
  setAside(tag: SubjectTag, device: DeviceKey): AsyncIterable<ExportLineOf<"set-aside">>;
  disclosures(tag: SubjectTag): Promise<readonly Disclosure[]>;
  readonly erasures: {
    status(id: string): Promise<ErasureStatus | undefined>;
    read(id: string): Promise<Pick<ErasureRecord, "facts" | "wrappedSubjectKey" | "step"> | undefined>;
    times(): Promise<NameTimes>;
  };
  readonly rows: ExportableRows;
  /** Whether a key that does not unwrap may be intact, because no key unwraps: the master key is wrong. */
  keyIsWhole(wrappedSubjectKey: string): Promise<boolean>;
  /** `undefined` when the store contains something that is no H3 cell. */
  centerOf(cell: string): { readonly lat: number; readonly lon: number } | undefined;
  /** Unix ms. */
  now(): number;
  readonly log: Log;
}

/** Every call may throw SINK_UNAVAILABLE or SINK_DENIED. */
export interface ExportableRows {
  check(signal: AbortSignal): Promise<void>;
  /** In pages; for each name oldest first, up to `untilNs` (Unix ns). */
  rows(
    measurement: "device_status" | "device_location",
    names: readonly Pseudonym[],
    untilNs: string,
    signal: AbortSignal,
  ): AsyncIterable<readonly ExportableRow[]>;
}

export interface ExportableRow {
  readonly device: Pseudonym;
  readonly timeNs: string;
  readonly model?: string;
  readonly fields: Readonly<Record<string, number | boolean | string>>;
}

export interface KeyedFacts {
  readonly facts: ErasureFacts;
  readonly wrappedSubjectKey: string | undefined;
}
