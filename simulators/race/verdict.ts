/**
 * The judgement: every row that the store holds in the end and every packet that a service got, held
 * against what its person allowed. No tolerance: what cannot be told to be allowed is a violation.
 */
import { CATEGORIES, type Category, grantsOf, type Purpose } from "../../src/model/consent.ts";
import { Complaints, type Violation } from "./complaints.ts";
import type { Heard } from "./listeners.ts";
import type { SentMessages } from "./sent-messages.ts";
import type { Snapshots } from "./snapshots.ts";
import type { LocationRow, StatusRow, StoredView } from "./store-view.ts";
import { phaseOfModel, type Stay, type Telltale } from "./telltale.ts";
import { endOf, isErased, mayAppear, type Phase, type Timeline } from "./timeline.ts";
import { stayOf, type Use, usesOf } from "./uses.ts";

export interface Evidence {
  readonly timeline: Timeline;
  readonly sent: SentMessages;
  readonly telltale: Pick<Telltale, "stayIn">;
  readonly snapshots: Pick<Snapshots, "hadRow" | "hadCell">;
  readonly ownerOf: (name: string) => number | undefined;
  /** In the end, when nothing was under way any more. */
  readonly stored: StoredView;
  readonly heard: readonly Heard[];
  /** Devices whose people never changed anything. */
  readonly steady: ReadonlySet<number>;
}

export interface Verdict {
  readonly storedAfterWithdrawal: number;
  readonly rowsAfterErasure: number;
  readonly forwardedAfterWithdrawal: number;
  /** Acknowledged messages of people who never changed anything that have no row. */
  readonly lost: number;
  /** The same of people who did, where consent held from before the message to the end. */
  readonly lostWhereConsentHeld: number;
  /** Packets between an answer and what the connection answered right after it: handed over before or after, nobody can tell. */
  readonly forwardedAtTheAnswer: number;
  readonly checkedRows: number;
  readonly checkedPackets: number;
  readonly violations: readonly Violation[];
}

const BITS: ReadonlyMap<string, number> = new Map(
  (["analytics", "weather", "scene", "network"] as const).flatMap((purpose) =>
    CATEGORIES.map((category) => [`${purpose}.${category}`, grantsOf({ [purpose]: [category] })] as const),
  ),
);

export function judge(evidence: Evidence): Verdict {
  const judgement = new Judgement(evidence);
  for (const row of evidence.stored.statuses) judgement.status(row);
  for (const row of evidence.stored.locations) judgement.location(row);
  for (const packet of evidence.heard) judgement.packet(packet);
  return judgement.verdict();
}

class Judgement {
  readonly #evidence: Evidence;
  readonly #complaints = new Complaints();
  #atTheAnswer = 0;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  status({ device, n, model }: StatusRow): void {
    const { sent, snapshots, ownerOf } = this.#evidence;
    const stay = stayOf(n, sent);
    if (stay === undefined || ownerOf(device) !== stay.device || strayModel(model, stay)) {
      return void this.#complaints.add("row that is nobody's", "analytics.status");
    }
    const had = (end: number, withModel: boolean) => snapshots.hadRow(stay.device, end, n, withModel);
    this.#row({ stay, purpose: "analytics", category: "status" }, (end) => had(end, false));
    if (model !== undefined) this.#row({ stay, purpose: "analytics", category: "model" }, (end) => had(end, true));
  }

  location({ device, cell }: LocationRow): void {
    const { telltale, snapshots, ownerOf } = this.#evidence;
    const stay = telltale.stayIn(cell);
    if (stay === undefined || ownerOf(device) !== stay.device) {
      return void this.#complaints.add("row that is nobody's", "analytics.location");
    }
    const use: Use = { stay, purpose: "analytics", category: "location" };
    this.#row(use, (end) => snapshots.hadCell(stay.device, end, cell));
  }

  packet(heard: Heard): void {
    const uses = usesOf(heard.purpose, heard.payload, this.#evidence);
    if (uses === undefined) return void this.#complaints.add("packet that is nobody's", heard.purpose);
    for (const { stay, purpose, category } of uses) {
      const bits = bitsOf(purpose, category);
      const phases = this.#phasesOf(stay.device);
      if (!mayAppear(phases, stay.phase, heard.passed, bits)) {
        return void this.#forwarded({ stay, purpose, category }, heard.at);
      }
      if (!mayAppear(phases, stay.phase, heard.known, bits)) return void this.#countAtTheAnswer();
    }
  }

  verdict(): Verdict {
    const { stored, heard } = this.#evidence;
    const complaints = this.#complaints;
    return {
      storedAfterWithdrawal: complaints.count("stored") + complaints.count("row that is nobody's"),
      rowsAfterErasure: complaints.count("not erased"),
      forwardedAfterWithdrawal: complaints.count("forwarded") + complaints.count("packet that is nobody's"),
      ...this.#lost(),
      forwardedAtTheAnswer: this.#atTheAnswer,
      checkedRows: stored.statuses.length + stored.locations.length,
      checkedPackets: heard.length,
      violations: complaints.list(),
    };
  }

  #forwarded({ stay, purpose, category }: Use, at: number): void {
    const phases = this.#phasesOf(stay.device);
    const end = endOf(phases, stay.phase, bitsOf(purpose, category)) ?? stay.phase;
    this.#complaints.add("forwarded", `${purpose}.${category}`, end - stay.phase, at - (phases[end]?.at ?? at));
  }

  #countAtTheAnswer(): void {
    this.#atTheAnswer += 1;
  }

  /** A row may stay that was there when its use ended. */
  #row({ stay, purpose, category }: Use, wasThere: (end: number) => boolean): void {
    const phases = this.#phasesOf(stay.device);
    const what = `${purpose}.${category}`;
    if (isErased(phases, stay.phase)) return void this.#complaints.add("not erased", what);
    const end = endOf(phases, stay.phase, bitsOf(purpose, category));
    if (end === undefined) return;
    if (end === stay.phase || !wasThere(end)) this.#complaints.add("stored", what, end - stay.phase);
  }

  #lost(): Pick<Verdict, "lost" | "lostWhereConsentHeld"> {
    const { sent, stored, steady } = this.#evidence;
    const there = new Set(stored.statuses.map(({ n }) => n));
    const status = bitsOf("analytics", "status");
    let lost = 0;
    let lostWhereConsentHeld = 0;
    for (let n = 0; n < sent.count; n += 1) {
      if (there.has(n) || !sent.isOwed(n)) continue;
      if (endOf(this.#phasesOf(sent.deviceOf(n)), sent.phaseOf(n), status) !== undefined) continue;
      if (steady.has(sent.deviceOf(n))) lost += 1;
      else lostWhereConsentHeld += 1;
    }
    return { lost, lostWhereConsentHeld };
  }

  #phasesOf(device: number): readonly Phase[] {
    return this.#evidence.timeline.devices[device]?.phases ?? [];
  }
}

function strayModel(model: string | undefined, stay: Stay): boolean {
  return model !== undefined && phaseOfModel(model) !== stay.phase;
}

function bitsOf(purpose: Purpose, category: Category): number {
  return BITS.get(`${purpose}.${category}`) ?? 0;
}
