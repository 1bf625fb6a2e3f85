/** Sealed records of devices, whatever they are about, as the rights of their people need them. */
import type { Silenced } from "../model/consent-change.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";

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
