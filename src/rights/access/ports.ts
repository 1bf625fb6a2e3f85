/** What an export needs from the rest of the gateway. */
import type { ConsentRecord } from "../../model/consent-record.ts";
import type { Disclosure } from "../../model/disclosure.ts";
import type { ErasureFacts } from "../../model/erasure.ts";
import type { ExportLineOf } from "../../model/export.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import type { Erasures } from "../erasure/erasures.ts";
import type { LiveNamesInput } from "../erasure/names-ever-given.ts";
import type { ErasureRecords } from "../erasure/record.ts";

export interface ExportPorts extends Pick<LiveNamesInput, "keyring"> {
  readonly ledger: { record(tag: SubjectTag): Promise<ConsentRecord | undefined> };
  /** What the ledger knows, and the key in use; no key when there is none. */
  facts(tag: SubjectTag): Promise<KeyedFacts>;
  /** What holds now, for those of the devices about which something was decided. */
  decisions(tag: SubjectTag, devices: readonly DeviceKey[]): Promise<readonly ExportLineOf<"decision">[]>;
  /** Of messages of this subject alone, whoever else had the device. */
  setAside(tag: SubjectTag, device: DeviceKey): AsyncIterable<ExportLineOf<"set-aside">>;
  readonly disclosures: { of(tag: SubjectTag): Promise<readonly Disclosure[]> };
  readonly erasures: Pick<Erasures, "status">;
  readonly erasureRecords: Pick<ErasureRecords, "read" | "times">;
  readonly rows: ExportableRows;
  /** Whether a key that does not open may be as it was, because none opens: by a wrong master key. */
  keyIsWhole(wrappedSubjectKey: string): Promise<boolean>;
  /** `undefined` when the store holds something that is no cell. */
  centerOf(cell: string): { readonly lat: number; readonly lon: number } | undefined;
  /** Unix ms. */
  now(): number;
  readonly log: Log;
}

/** All of it may throw SINK_UNAVAILABLE or SINK_DENIED. */
export interface ExportableRows {
  check(signal: AbortSignal): Promise<void>;
  /** In pages; of each name oldest first, up to `untilNs` (Unix ns). */
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
