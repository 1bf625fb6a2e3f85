/** The record of a device's last scene: what a message makes of it, what of it is current, and the text that is sealed. Pure. */
import { MODEL, STATUS } from "../model/consent.ts";
import type { Moment, NameAt, SaidBefore } from "../model/current.ts";
import type { StatusFields } from "../model/deidentified.ts";
import type { NotedScene, SceneNote, ScenePart } from "../model/scene.ts";
import { RecordCoverage } from "../platform/record-coverage.ts";
import type { NotingClock } from "../platform/record-noting.ts";
import type { RecordForm } from "../platform/sealed-records.ts";

/** The same record when the message is older than what it holds. */
export function noted(
  known: SceneNote | undefined,
  { scene, at, revision }: Pick<NotedScene, keyof SceneNote>,
  { now, aheadMs }: NotingClock,
): SceneNote {
  // A time that cannot be, of a clock that was ahead: it would keep every later message away until that day.
  if (known === undefined || known.at > now + aheadMs) return { scene, at, revision };
  if (at < known.at) return known;
  const note = { scene, at, revision };
  // A batch that is tried again says the same once more.
  return at === known.at && encode(note) === encode(known) ? known : note;
}

/** Without the parts that are not among these: without a status there is no scene. */
function limitedTo(note: SceneNote, parts: readonly ScenePart[]): SceneNote | undefined {
  if (!parts.includes("status")) return undefined;
  if (note.scene.model === undefined || parts.includes("model")) return note;
  const { status, at } = note.scene;
  return { ...note, scene: { status, at } };
}

export function isRecent({ at }: Pick<SceneNote, "at">, now: number, forMs: number): boolean {
  return now - at <= forMs;
}

/** What of it is told now; `undefined` when it is too old, or belongs to an epoch whose names have ended. */
export function currentScene(note: SceneNote, name: NameAt, { now, forMs, epochMs }: Moment): SaidBefore | undefined {
  const { scene, at } = note;
  if (!isRecent(note, now, forMs) || Math.floor(at / epochMs) !== Math.floor(now / epochMs)) return undefined;
  return { at, result: { scene: { ...scene, device: name(at), current: true } } };
}

export const SCENE_COVERAGE = new RecordCoverage<SceneNote, ScenePart>({
  purpose: "scene",
  parts: { status: STATUS, model: MODEL },
  revisionOf: ({ revision }) => revision,
  limitedTo,
});

type Text = readonly [at: number, revision: number, told: number, model: string | 0, status: StatusFields];

function encode({ scene, at, revision }: SceneNote): string {
  const text: Text = [at, revision, scene.at, scene.model ?? 0, scene.status];
  return JSON.stringify(text);
}

function decode(sealed: string): SceneNote {
  const [at, revision, told, model, status] = JSON.parse(sealed) as Text;
  return { scene: { ...(model !== 0 && { model }), status, at: told }, at, revision };
}

export const SCENE_FORM: RecordForm<SceneNote> = { kind: "scene", encode, decode };
