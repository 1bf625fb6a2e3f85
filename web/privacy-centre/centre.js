// @ts-check
/** The privacy centre: opens with the link in the address, shows how things stand, and does what is asked. */
import { codeOf } from "../shared/ask.js";
import { byId, el, fill } from "../shared/dom.js";
import { Ending } from "../shared/ending.js";
import { time } from "../shared/format.js";
import { agree, download, erase, leave, overview as look, open, save, stay, withdraw } from "./api.js";
import { agreed, erased, withdrawn } from "./changes.js";
import { purposeCards } from "./choices.js";
import { DevicesView, deviceName } from "./devices.js";
import { ErasureView } from "./erasure.js";
import { LiveView } from "./live.js";
import { PlacesView } from "./places.js";
import { sureForAll, sureToErase, sureToWithdraw } from "./questions.js";
import { readingsTold } from "./readings.js";
import { showScreen } from "./screens.js";
import { approval, copies, endings, hero, notices, policy, scopeChoice, summary } from "./sections.js";
import { Unsettled } from "./unsettled.js";
import { SCREENS } from "./words.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {import("./changes.js").Change} Change */
/** @typedef {import("./choices.js").Changes} Changes */

const page = byId("page");
const TOLD_MS = 12_000;
/** At the end of a session what is shown is hidden while it is asked whether it goes on: not for long. */
const LAST_LOOK_MS = 5_000;
/** Who is connected changes by itself, while the page is only looked at. */
const LOOK_AGAIN_MS = 30_000;
const NOT_DRAINED = "A message of before may still be being finished; nothing new is used.";

/** @type {Overview | undefined} */
let shown;
/** Which device the switches are for; absent: all. @type {number | undefined} */
let scope;
/** @type {LiveView | undefined} */
let live;
/** @type {ErasureView | undefined} */
let erasing;
/** Built once, so that it stays open while it is read. @type {{ id: string, element: HTMLElement } | undefined} */
let rules;
/** Where the devices are; drawn again each time the page shows how things stand. @type {PlacesView | undefined} */
let placed;
/** The devices; built once, so that a search stays. @type {DevicesView | undefined} */
let owned;
/** What is kept of each reading; the same for all. */
const told = readingsTold();
/** A change of which it is not known yet whether it counts. @type {Unsettled | undefined} */
let unsettled;
let busy = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let quiet;
const ending = new Ending({
  stay: stayLonger,
  over: timeIsUp,
  title: () => "Privacy centre",
  words: (end, canStay) =>
    canStay
      ? `At ${end} this page closes by itself to protect you. If you need more time, stay.`
      : `At ${end} this page closes by itself: it has been open as long as it may. What you changed counts. Save what you want to keep, and ask for a new link in your account to come back.`,
});

async function begin(token = location.hash.slice(1)) {
  // Out of the address bar and the history before anything else.
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  try {
    if (token.includes(".")) await open(token);
    show(await look());
  } catch (error) {
    const code = codeOf(error);
    if (Object.hasOwn(SCREENS, code)) return close(code);
    // The address has lost the link by now, and loading the page again would not try it again.
    close("unreachable", () => void begin(token));
    if (code === "fault") throw error;
  }
}

/** Nothing of the person stays on the page. @param {string} screen @param {() => void} [again] */
function close(screen, again) {
  live?.stop();
  erasing?.stop();
  unsettled?.stop();
  ending.stop();
  shown = live = erasing = unsettled = rules = placed = owned = undefined;
  page.hidden = false;
  byId("session").hidden = true;
  for (const id of ["ask", "ending"]) /** @type {HTMLDialogElement} */ (byId(id)).close();
  tell("");
  showScreen(page, screen, again);
}

/** The session has ended; of a change without an answer no one knows here any more. */
function ended() {
  close(unsettled?.note() ? "over-unknown" : "over");
}

/** @param {Overview} overview */
function show(overview) {
  const first = shown === undefined;
  shown = overview;
  if (!overview.devices.some(({ number }) => number === scope)) scope = undefined;
  if (overview.closed || !overview.devices.some(({ number }) => number === live?.device)) stopLive();
  followErasure(overview);
  byId("session").hidden = false;
  if (first) document.title = "Privacy centre";
  ending.set(overview);
  const id = JSON.stringify([overview.policy.hash, overview.contact]);
  if (rules?.id !== id) rules = { id, element: policy(overview) };
  fill(
    page,
    hero(overview),
    unsettled?.note() ?? null,
    notices(overview),
    erasing?.element,
    overview.closed ? null : choices(overview),
    rules.element,
  );
}

/** @param {Overview} overview */
function choices(overview) {
  const done = "You agreed. From now on it is used as you see below.";
  return [
    approval(overview, () => changes.agree(overview.standing.waiting, done)),
    uses(overview),
    listed(overview),
    whereabouts(overview),
    copies(copy),
    endings(overview, { withdrawAll, eraseAll }),
  ];
}

/** @param {Overview} overview */
function listed(overview) {
  owned ??= new DevicesView();
  owned.show(overview, live, watch);
  return owned.element;
}

/** @param {Overview} overview */
function whereabouts(overview) {
  if (overview.devices.length === 0) return null;
  placed ??= new PlacesView();
  void placed.show(overview);
  return placed.element;
}

/** @param {Overview} overview */
function uses(overview) {
  const chosen = overview.devices.find(({ number }) => number === scope);
  const choose = (/** @type {number | undefined} */ device) => {
    scope = device;
    if (shown !== undefined) show(shown);
  };
  return el(
    "section",
    { "aria-labelledby": "uses-title" },
    el("h2", { id: "uses-title" }, "What it is used for"),
    el(
      "p",
      { class: "section-lede" },
      "Each of these is a choice of its own. Switching off counts at once: the answer comes when nothing of it can be stored or passed on any more.",
    ),
    overview.devices.length > 1 && scopeChoice(overview, scope, choose),
    el("div", { class: "cards" }, ...purposeCards(overview, chosen?.own ?? overview.standing, changes)),
    told,
  );
}

/** @param {Overview} overview */
function followErasure({ erasure }) {
  if (erasure === undefined || erasing?.status.id === erasure.status.id) return;
  erasing?.stop();
  erasing = new ErasureView(erasure.status, erasure.keys, { tell, ended });
}

/** @type {Changes} */
const changes = {
  agree: (purposes, done) => {
    const device = scope;
    return act({
      make: async (overview) => {
        if (!(await meantForAll(overview))) return overview;
        return agree({ purposes, device, head: overview.head });
      },
      done,
      holds: agreed(purposes, device),
    });
  },
  withdraw: (less, done) => {
    const device = scope;
    const make = () => withdraw({ ...less, device }, waiting);
    return act({ make, done, seen: `${done} ${NOT_DRAINED}`, holds: withdrawn(less, device) });
  },
};

/** @param {Overview} overview */
async function meantForAll(overview) {
  if (scope !== undefined || overview.devices.every(({ own }) => own === undefined)) return true;
  // A switch shows what holds, also while the question about it is open.
  show(overview);
  return sureForAll(overview);
}

function waiting() {
  tell("Recorded. A message of before is still being finished …");
}

/** One after the other; whatever comes of it, the page shows how things stand. @param {Change} change */
async function act(change) {
  if (shown === undefined) return;
  if (busy) {
    show(shown);
    return;
  }
  busy = true;
  page.setAttribute("aria-busy", "true");
  const before = shown;
  try {
    const after = await change.make(before);
    unsettled?.stop();
    unsettled = undefined;
    if (shown === undefined) return;
    if (after !== before) tell(`Done at ${time(after.now, true)}. ${change.done}`);
    show(after);
  } catch (error) {
    await failed(error, change, before);
  } finally {
    busy = false;
    page.removeAttribute("aria-busy");
  }
}

/** Whatever the fault: what holds is read again before anything is said. @param {unknown} error @param {Change} change @param {Overview} before */
async function failed(error, change, before) {
  const code = codeOf(error);
  if (code === "fault") reportError(error);
  if (shown === undefined) return;
  if (code === "session-ended") return ended();
  const unread = () => shown !== undefined && show(shown);
  unsettled?.stop();
  unsettled = new Unsettled(change, code, before, { look, show, unread, tell, ended });
  await unsettled.look();
}

/** @param {Overview["devices"][number]} device */
function watch(device) {
  const again = live?.device === device.number;
  stopLive();
  if (!again) {
    live = new LiveView(device.number, waitingFor(device));
    void live.start();
  }
  if (shown !== undefined) show(shown);
}

/** @param {Overview["devices"][number]} device */
function waitingFor(device) {
  const { used = {} } = device.own ?? shown?.standing ?? {};
  const name = deviceName(device);
  return device.held || Object.keys(used).length === 0
    ? `Nothing of ${name} is used at the moment: its messages are refused, and so not shown here either.`
    : `Waiting for the next message of ${name} that something is used of …`;
}

function stopLive() {
  live?.stop();
  live = undefined;
}

/** @param {"summary" | "ndjson"} format */
async function copy(format) {
  const file = format === "summary" ? "my-data.txt" : "my-data.ndjson";
  const make = async (/** @type {Overview} */ before) => {
    tell("Being prepared …");
    save(await download(format), file);
    // The file is there, whether or not the page can be told anew how things stand.
    return look().catch(() => ({ ...before }));
  };
  await act({ make, done: `Saved as ${file}.` });
}

async function withdrawAll() {
  if (!(await sureToWithdraw())) return;
  const done = "Nothing of any device is used any more.";
  const make = () => withdraw({}, waiting);
  await act({ make, done, seen: `${done} ${NOT_DRAINED}`, holds: withdrawn({}, undefined) });
}

async function eraseAll() {
  if (!(await sureToErase())) return;
  await act({ make: erase, done: "The erasure has begun. Nothing is used any more.", holds: erased });
  if (shown?.closed) byId("main").focus();
}

/** The session goes on for longer; what the page shows otherwise is left as it is. */
async function stayLonger() {
  const before = shown?.endsAt;
  const now = await stay().catch(async (error) => {
    // An answer that was lost may have brought the longer session all the same.
    return codeOf(error) === "session-ended" ? undefined : look().catch(codeOf);
  });
  if (shown === undefined) return;
  if (now === undefined || now === "session-ended") return ended();
  if (typeof now === "string" || now.endsAt === before) {
    tell(`No answer came. As far as is known your session ends at ${time(shown.endsAt)}. Please try again.`);
    return;
  }
  shown = { ...shown, endsAt: now.endsAt, endsAtLatest: now.endsAtLatest };
  ending.set(now);
  tell(`You stay. Your session now ends at ${time(now.endsAt)}.`);
}

/** Another page of this browser may have put the end off. */
async function timeIsUp() {
  if (page.hidden) return;
  page.hidden = true;
  const known = shown?.endsAt ?? 0;
  const now = await look(LAST_LOOK_MS).catch(() => undefined);
  if (shown === undefined) return;
  if (now === undefined || (now.endsAt <= known && !ending.jumped())) return ended();
  page.hidden = false;
  show(now);
}

/** Said aloud and shown for a while. @param {string} text */
function tell(text) {
  clearTimeout(quiet);
  byId("told").textContent = text;
  if (text !== "") quiet = setTimeout(() => tell(""), TOLD_MS);
}

/** Time may have passed without the page: a sleeping computer, another tab, a page kept for the way back. @param {Event} [event] */
async function wake(event) {
  if (document.hidden || busy || shown === undefined || page.hidden) return;
  if (unsettled !== undefined && !unsettled.over) return unsettled.look();
  const before = shown;
  const now = await look().catch(codeOf);
  if (now === "session-ended") return ended();
  if (typeof now === "string" || busy || shown !== before) return;
  if (event !== undefined || lasting(now) !== lasting(before)) return show(now);
  // The rest of the page is left as it is, also for those who have it read to them.
  shown = now;
  listed(now);
  byId("summary").textContent = summary(now);
}

/** What does not change by itself. @param {Overview} overview */
function lasting({ now: _now, seenHere: _here, devices: all, ...rest }) {
  return JSON.stringify([rest, all.map(({ connected: _is, heardAt: _at, ...device }) => device)]);
}

/** Leaves, and says what came of it: where no answer came, by whether the session still opens anything. */
async function goAway() {
  close("leaving");
  const code = await leave().then(() => "left", codeOf);
  if (code === "left" || code === "session-ended") return close("left");
  // The browser has lost its cookie with this answer, so there is nothing to leave with again.
  if (code !== "lost") return close("left-here");
  const still = await look().then(() => "still", codeOf);
  close(still === "session-ended" ? "left" : still === "still" ? "not-left" : "left-unknown", () => void goAway());
}

document.addEventListener("visibilitychange", wake);
setInterval(() => void wake(), LOOK_AGAIN_MS);
for (const event of ["focus", "online"]) addEventListener(event, wake);
addEventListener("pageshow", (event) => event.persisted && location.reload());
byId("leave").addEventListener("click", goAway);
byId("stay").addEventListener("click", stayLonger);
await begin();
