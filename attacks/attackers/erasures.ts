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

/** Names of one device, or of one home among several, stand together, and by chance they would not. */
function inOrder(names: readonly Named[]): boolean {
  return (
    standTogether(names.map(({ device }) => device.device)) || standTogether(names.map(({ device }) => device.home))
  );
}

/** How likely they do by chance: all orders of the groups, and within each, among all orders of the names. */
const ACCIDENT = 0.001;

function standTogether(owners: readonly string[]): boolean {
  const sizes = new Map<string, number>();
  for (const owner of owners) sizes.set(owner, (sizes.get(owner) ?? 0) + 1);
  const changes = owners.filter((owner, index) => index > 0 && owners[index - 1] !== owner).length;
  if (changes !== sizes.size - 1) return false;
  const within = [...sizes.values()].reduce((sum, size) => sum + logFactorial(size), 0);
  return logFactorial(sizes.size) + within - logFactorial(owners.length) < Math.log(ACCIDENT);
}

function logFactorial(count: number): number {
  let sum = 0;
  for (let factor = 2; factor <= count; factor += 1) sum += Math.log(factor);
  return sum;
}
