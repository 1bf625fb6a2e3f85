// @ts-check
/** Dead letters by reason, and putting them back into the queue. */
import { el } from "../shared/dom.js";
import { counted } from "../shared/format.js";
import { act, failure, tell } from "./acts.js";
import { sentence } from "./alarms.js";
import { letters as ask, replay } from "./api.js";
import { age, bytes, percent, share, whole } from "./figures.js";
import { explain } from "./guide.js";
import { button, card, empty, facts, Part, table, view } from "./parts.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {import("./api.js").Letters} Letters */

/** @param {import("./views.js").Place} place */
export function lettersView({ old }) {
  const room = new Part();
  const list = new Part();
  /** By this the list is read again. @type {number | null | undefined} */
  let known;
  let gone = false;

  async function read() {
    try {
      const found = await ask();
      if (!gone) list.show(found, () => lettersShown(found, old, doings));
    } catch (error) {
      const text = failure(error);
      if (!gone && text !== "")
        list.show(text, () =>
          empty(
            "letters",
            text,
            button("Try again", () => void read()),
          ),
        );
    }
  }

  const doings = {
    /** @param {Letters["letters"][number]} letter */
    one: ({ id, messages }) =>
      act({
        question: {
          title: "Replay this dead letter?",
          text: [
            `Its ${counted(messages, "message")} goes back into the queue and through the whole path, consent included. What still fails becomes a dead letter again.`,
            "Repair the cause first. The act stands in the audit log.",
          ],
          yes: "Replay it",
        },
        make: () => replay(id),
        done: ({ done }) => `${counted(done, "letter")} replayed.`,
        look: async () => stillThere(await ask(), id),
        after: read,
      }),
    /** @param {number} total */
    all: (total) =>
      act({
        question: {
          title: `Replay all ${counted(total, "dead letter")}?`,
          text: [
            "All their messages go back into the queue and through the whole path, consent included. What still fails becomes a dead letter again. Some may have to stay.",
            "Repair the cause first. The act stands in the audit log.",
          ],
          yes: "Replay all",
        },
        make: () => replay("all"),
        done: ({ done, left }) => `${counted(done, "letter")} replayed.${left > 0 ? ` ${whole(left)} left.` : ""}`,
        look: async () => `Looked again: ${counted((await ask()).total, "letter is", "letters are")} there.`,
        after: read,
      }),
    again: () => {
      tell("Looking again …");
      void read().then(() => tell(""));
    },
  };

  return {
    element: view(
      "Dead letters",
      "Messages that could not be processed are kept sealed instead of being lost, until they are replayed or expire.",
      card("Room", room.element),
      list.element,
    ),
    /** @param {Overview} overview */
    show({ frame: { sample, deadLetterBytes, deadLetterLimitBytes } }) {
      const used = percent(share(deadLetterBytes, deadLetterLimitBytes));
      room.show([deadLetterBytes, deadLetterLimitBytes], () =>
        facts([
          [
            "Used",
            `${bytes(deadLetterBytes)} of ${bytes(deadLetterLimitBytes)}, ${used}. When it is full, batches wait.`,
          ],
        ]),
      );
      if (known === sample.deadLetters || old) return;
      known = sample.deadLetters;
      void read();
    },
    leave() {
      gone = true;
    },
  };
}

/** @param {Letters} found @param {string} id */
function stillThere({ letters }, id) {
  return letters.some((one) => one.id === id)
    ? "Looked again: the letter is still there."
    : "Looked again: the letter is gone from the list.";
}

/**
 * @param {Letters} found
 * @param {boolean} old
 * @param {{ one: (letter: Letters["letters"][number]) => void, all: (total: number) => void, again: () => void }} doings
 */
function lettersShown({ total, byReason, letters }, old, doings) {
  if (total === 0) return empty("letters", "There is no dead letter.");
  const heads = ["Reason", "#Letters", "#Messages", "Oldest", "Means"];
  return [
    card(
      "By reason",
      table(
        "Dead letters by reason",
        heads,
        byReason.map(({ reason, letters: count, messages, oldestAt }) => [
          reason,
          whole(count),
          whole(messages),
          since(oldestAt),
          explain(el("span", {}), (guide) => sentence(guide.letters[reason] ?? "")),
        ]),
      ),
      !old &&
        el(
          "div",
          { class: "buttons start" },
          button(`Replay all ${whole(total)}`, () => doings.all(total), { id: "replay-all" }),
          button("Look again", doings.again, { id: "look-again" }),
        ),
    ),
    card(
      total > letters.length ? `The oldest ${whole(letters.length)} of ${whole(total)}` : "Each letter",
      table(
        "Dead letters, the oldest first",
        ["Letter", "Reason", "#Messages", "Age", "Act"],
        letters.map((letter) => [
          el("code", {}, letter.id.slice(0, 10)),
          letter.reason,
          whole(letter.messages),
          since(letter.at),
          old
            ? "–"
            : button("Replay", () => doings.one(letter), {
                id: `replay-${letter.id}`,
                class: "button small",
                "aria-label": `Replay letter ${letter.id.slice(0, 10)}`,
              }),
        ]),
      ),
    ),
  ];
}

/** In whole minutes, as it is told. @param {number} at */
function since(at) {
  if (at === 0) return "cannot be read";
  const minutes = Math.floor((Date.now() - at) / 60_000);
  return minutes < 1 ? "under 1 min" : age(60 * minutes);
}
