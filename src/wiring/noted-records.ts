/** Sealed records of devices, whatever they are about, as the rights of their people need them. */
import type { Silenced } from "../model/consent-change.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import { RecordTidying, type TidyingPorts } from "../platform/record-tidying.ts";
import type { SealedRecords } from "../platform/sealed-records.ts";
import type { Base } from "./base.ts";

export interface NotedRecords<Note> {
  /** Takes away what consent does not cover any more. */
  tidy(concerned: SubjectTag | DeviceKey, silenced: readonly Silenced[]): Promise<void>;
  forget(subject: SubjectTag, devices: readonly DeviceKey[]): Promise<void>;
  /** What is noted, for those of the devices of which there is anything that opens. */
  of(
    subject: SubjectTag,
    wrappedSubjectKey: string,
    devices: readonly DeviceKey[],
  ): Promise<ReadonlyMap<DeviceKey, Note>>;
}

export interface RecordParts<Note> extends TidyingPorts<Note> {
  readonly records: SealedRecords<Note>;
  /** What a pass notes in the records, and remembers of it. */
  readonly noting: { forget(devices: readonly DeviceKey[]): void };
}

export function notedRecords<Note>(
  { redis, keyspace }: Pick<Base, "redis" | "keyspace">,
  { noting, ...parts }: RecordParts<Note>,
): NotedRecords<Note> {
  const { records } = parts;
  const tidying = new RecordTidying(redis.store, keyspace, parts);
  return {
    tidy: (concerned, silenced) => tidying.tidy(concerned, silenced),
    forget: (subject, devices) => {
      noting.forget(devices);
      return records.forget(subject, devices);
    },
    of: (subject, wrappedSubjectKey, devices) => records.openedOf(subject, wrappedSubjectKey, devices),
  };
}
