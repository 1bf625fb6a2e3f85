/** What an export needs from the rest of the gateway. */
import type { ConsentRecord } from "../../model/consent-record.ts";
import type { Contact } from "../../model/contact.ts";
import type { DeviceConnection } from "../../model/device-connection.ts";
import type { Disclosure } from "../../model/disclosure.ts";
import type { ErasureFacts } from "../../model/erasure.ts";
import type { ExportLineOf } from "../../model/export.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import type { NetworkNote } from "../../model/network.ts";
import type { PlaceRecord } from "../../model/place.ts";
import type { PlainProperty } from "../../model/property.ts";
import type { SceneNote } from "../../model/scene.ts";
import type { SinkReading } from "../../model/sink.ts";
import type { Erasures } from "../erasure/erasures.ts";
import type { LiveNamesInput } from "../erasure/names-ever-given.ts";
import type { ErasureRecords } from "../erasure/record.ts";

export interface ExportPorts extends Pick<LiveNamesInput, "keyring"> {
  /** Whom people write to now; none where no one is named. */
  contact(): Promise<Contact | undefined>;
  readonly ledger: { record(tag: SubjectTag): Promise<ConsentRecord | undefined> };
  /** What the ledger knows, and the key in use; no key when there is none. */
  facts(tag: SubjectTag): Promise<KeyedFacts>;
  /** The current decisions, for those of the devices that have one. */
  decisions(tag: SubjectTag, devices: readonly DeviceKey[]): Promise<readonly ExportLineOf<"decision">[]>;
  /** How the subject's devices reach the gateway, where there is anything to say. */
  readonly deviceConnections: {
    of(tag: SubjectTag, devices: readonly DeviceKey[]): Promise<ReadonlyMap<DeviceKey, DeviceConnection>>;
  };
  /** What is noted of where devices are; only of those of which there is anything that opens. Throws SUBJECT_KEY_UNREADABLE. */
  readonly places: {
    of(
      tag: SubjectTag,
      wrappedSubjectKey: string,
      devices: readonly DeviceKey[],
    ): Promise<ReadonlyMap<DeviceKey, PlaceRecord>>;
  };
  /** What is noted for network services; the same otherwise. */
  readonly network: {
    of(
      tag: SubjectTag,
      wrappedSubjectKey: string,
      devices: readonly DeviceKey[],
    ): Promise<ReadonlyMap<DeviceKey, NetworkNote>>;
  };
  /** What is kept for scene services that subscribe later; the same otherwise. */
  readonly scenes: {
    of(
      tag: SubjectTag,
      wrappedSubjectKey: string,
      devices: readonly DeviceKey[],
    ): Promise<ReadonlyMap<DeviceKey, SceneNote>>;
  };
  /** Only of this subject's messages, not of other owners of the device. */
  setAside(tag: SubjectTag, device: DeviceKey): AsyncIterable<ExportLineOf<"set-aside">>;
  readonly disclosures: { of(tag: SubjectTag): Promise<readonly Disclosure[]> };
  readonly erasures: Pick<Erasures, "status">;
  readonly erasureRecords: Pick<ErasureRecords, "read" | "times">;
  /** What readings are, in plain words. */
  readonly properties: readonly PlainProperty[];
  readonly rows: Pick<SinkReading, "check" | "rows">;
  /** Whether a key that does not open may be as it was, because none opens: by a wrong master key. */
  keyIsWhole(wrappedSubjectKey: string): Promise<boolean>;
  /** `undefined` when the store contains something that is no H3 cell. */
  centerOf(cell: string): { readonly lat: number; readonly lon: number } | undefined;
  /** Unix ms. */
  now(): number;
  readonly log: Log;
}

export interface KeyedFacts {
  readonly facts: ErasureFacts;
  readonly wrappedSubjectKey: string | undefined;
}
