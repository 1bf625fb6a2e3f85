/** Sessions of the console: each ends by idleness, by hours and with its token, and there are so many. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type ConsoleSession, Sessions } from "./sessions.ts";

const MINUTE_MS = 60_000;
const USE = { name: "on-call", digest: "d1" };

let sessions: Sessions;
let good: boolean | Error;
let ended: string[];
beforeEach(() => {
  vi.useFakeTimers();
  good = true;
  ended = [];
  sessions = new Sessions(
    { idleMs: 30 * MINUTE_MS, mostMs: 120 * MINUTE_MS },
    {
      tokenStands: () => {
        if (good instanceof Error) throw good;
        return good;
      },
      ended: ({ id }) => ended.push(id),
    },
  );
});
afterEach(() => {
  sessions.stop();
  vi.useRealTimers();
});

function begun(name = USE.name): { secret: string; session: ConsoleSession } {
  const made = sessions.begin({ ...USE, name });
  if (made === undefined) throw new Error("too many");
  return made;
}

it("ends when no person does anything, also where no one asks for it", () => {
  const { secret, session } = begun();
  let told = 0;
  sessions.onEnd(session, () => {
    told += 1;
  });
  vi.advanceTimersByTime(29 * MINUTE_MS);
  sessions.stay(session);
  vi.advanceTimersByTime(29 * MINUTE_MS);
  expect(sessions.find(secret)).toBe(session);
  vi.advanceTimersByTime(2 * MINUTE_MS);
  expect([sessions.find(secret), told, ended]).toEqual([undefined, 1, [session.id]]);
});

it("ends after its hours, whatever is done", () => {
  const { session } = begun();
  for (let minutes = 0; minutes < 119; minutes += 1) {
    vi.advanceTimersByTime(MINUTE_MS);
    sessions.stay(session);
  }
  expect(sessions.standing(session)).toBe("stands");
  vi.advanceTimersByTime(2 * MINUTE_MS);
  expect(sessions.standing(session)).toBe("ended");
});

it("ends with its token, and is in doubt while that can't be known", () => {
  const { session } = begun();
  good = new Error("Redis does not answer");
  expect(sessions.standing(session)).toBe("unknown");
  good = true;
  expect(sessions.standing(session)).toBe("stands");
  good = false;
  sessions.look();
  expect([sessions.standing(session), ended]).toEqual(["ended", [session.id]]);
});

it("of one token a ninth takes the place of the oldest; of all there are 256", () => {
  const first = begun();
  for (let more = 0; more < 8; more += 1) begun();
  expect(sessions.find(first.secret)).toBeUndefined();
  for (let name = 0; sessions.size < 256; name += 1) begun(`name-${Math.floor(name / 8)}`);
  expect(sessions.begin({ ...USE, name: "one-more" })).toBeUndefined();
  expect(sessions.begin(USE)).toBeDefined();
});
