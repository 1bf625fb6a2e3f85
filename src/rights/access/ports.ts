/** What an export needs from the rest of the gateway. */
import type { ConsentRecord } from "../../model/consent-record.ts";
import type { Disclosure } from "../../model/disclosure.ts";
import type { ErasureFacts, ErasureStatus } from "../../model/erasure.ts";
import type { ExportLineOf } from "../../model/export.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import type { PlainProperty } from "../../model/property.ts";
import type { SinkReading } from "../../model/sink.ts";
import type { LiveNamesInput, NameTimes } from "../erasure/names-ever-given.ts";
import type { ErasureRecord } from "../erasure/record.ts";

export interface ExportPorts extends Pick<LiveNamesInput, "pseudonym"> {
  record(tag: SubjectTag): Promise<ConsentRecord | undefined>;
  /** What the ledger knows, and the key in use; no key when there is none. */
  facts(tag: SubjectTag): Promise<KeyedFacts>;
  /** What holds now, for those of the devices about which something was decided. */
  decisions(tag: SubjectTag, devices: readonly DeviceKey[]): Promise<readonly ExportLineOf<"decision">[]>;
  /** Of messages of this subject alone, whoever else had the device. */
  setAside(tag: SubjectTag, device: DeviceKey): AsyncIterable<ExportLineOf<"set-aside">>;
  disclosures(tag: SubjectTag): Promise<readonly Disclosure[]>;
  readonly erasures: {
    status(id: string): Promise<ErasureStatus | undefined>;
    read(id: string): Promise<Pick<ErasureRecord, "facts" | "wrappedSubjectKey" | "step"> | undefined>;
    times(): Promise<NameTimes>;
  };
  /** What readings are, in plain words. */
  readonly properties: readonly PlainProperty[];
  readonly rows: Pick<SinkReading, "check" | "rows">;
  /** Whether a key that does not open may be as it was, because none opens: by a wrong master key. */
  keyIsWhole(wrappedSubjectKey: string): Promise<boolean>;
  /** `undefined` when the store holds something that is no cell. */
  centerOf(cell: string): { readonly lat: number; readonly lon: number } | undefined;
  /** Unix ms. */
  now(): number;
  readonly log: Log;
}

export interface KeyedFacts {
  readonly facts: ErasureFacts;
  readonly wrappedSubjectKey: string | undefined;
}
