/** A6: what notices of erasure tell about one person beyond the names that a service still has to forget. */
import type { PacketArrival } from "../recording/format.ts";
import type { Named, View } from "../recording/view.ts";
import type { Attack } from "./attack.ts";

interface Notice {
  readonly service: string;
  readonly id: string;
  readonly names: readonly Named[];
}

const PREFIX = "privacy/erased/";

/** A hit is a person of whom one notice tells more than it must: any of the four in `detail`. */
export const noticesOfErasure: Attack = {
  name: "A6",
  what: "names of one person, out of notices of erasure",
  goal: 0,
  run(view) {
    const notices = view.recording.packets
      .filter(({ topic }) => topic.startsWith(PREFIX))
      .map((one) => read(view, one));
    // The present epoch is the one after the last of the run.
    const oldest = view.run.epochs - 1;
    const found = { "joined by id": 0, "older names": 0, alone: 0, "names in order": 0 };
    const erased = view.truth("erased");
    let hits = 0;
    for (const { home } of erased) {
      const own = notices.filter(({ names }) => names.some(({ device }) => device.home === home));
      const services = new Map<string, Set<string>>();
      for (const { id, service } of own) services.set(id, (services.get(id) ?? new Set()).add(service));
      const joined = [...services.values()].some((ofId) => ofId.size > 1);
      const older = own.some(({ names }) => names.some(({ device, epoch }) => device.home === home && epoch < oldest));
      const alone = own.some(
        ({ names }) =>
          new Set(names.map(({ device }) => device.home)).size === 1 &&
          new Set(names.map(({ device }) => device.device)).size > 1,
      );
      const ordered = own.some(({ names }) => inOrder(names));
      if (joined) found["joined by id"] += 1;
      if (older) found["older names"] += 1;
      if (alone) found.alone += 1;
      if (ordered) found["names in order"] += 1;
      if (joined || older || alone || ordered) hits += 1;
    }
    return { hits, trials: notices.length === 0 ? 0 : erased.length, control: 0, detail: found };
  },
};

function read(view: View, { service, payload }: PacketArrival): Notice {
  const { id, pseudonyms } = payload as { id: string; pseudonyms: readonly string[] };
  return { service, id, names: pseudonyms.flatMap((name) => view.names.get(name) ?? []) };
}

/** Device by device, of each its epochs one after the other: at least six names, so that it is no accident. */
function inOrder(names: readonly Named[]): boolean {
  if (names.length < 6) return false;
  return (
    names.every(({ device, epoch }, index) => {
      const before = names[index - 1];
      return before === undefined || before.device !== device || before.epoch < epoch;
    }) && new Set(names.map(({ device }) => device)).size === changes(names) + 1
  );
}

function changes(names: readonly Named[]): number {
  return names.filter(({ device }, index) => index > 0 && names[index - 1]?.device !== device).length;
}
