// @ts-check
/** The privacy centre: opens with the link in the address, shows how things stand, and does what is asked. */
import { agree, download, erase, leave, overview as look, open, Problem, save, withdraw } from "./api.js";
import { purposeCards } from "./choices.js";
import { sure } from "./dialog.js";
import { byId, el, fill, icon } from "./dom.js";
import { ErasureView } from "./erasure.js";
import { LiveView } from "./live.js";
import { approval, copies, deviceName, devices, endings, hero, notices, policy, scopeChoice } from "./sections.js";
import { list, problemText, SCREENS, time } from "./words.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {import("./choices.js").Changes} Changes */

const page = byId("page");
const TOLD_MS = 12_000;

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
let busy = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let ending;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let quiet;

async function begin() {
  const token = location.hash.slice(1);
  // Out of the address bar and the history before anything else.
  if (token !== "") history.replaceState(null, "", location.pathname);
  try {
    if (token.includes(".")) await open(token);
    show(await look());
  } catch (error) {
    const code = error instanceof Problem ? error.code : "unreachable";
    close(Object.hasOwn(SCREENS, code) ? code : "unreachable");
    if (!(error instanceof Problem)) throw error;
  }
}

/** Nothing of the person stays on the page. @param {string} screen */
function close(screen) {
  live?.stop();
  erasing?.stop();
  clearTimeout(ending);
  shown = live = erasing = rules = undefined;
  byId("session").hidden = true;
  tell("");
  const [title, text] = SCREENS[screen] ?? SCREENS.unreachable ?? ["", ""];
  const heading = el("h1", { tabindex: "-1" }, title);
  page.replaceChildren(
    el("section", { class: "screen", id: `screen-${screen}` }, icon("mark"), heading, el("p", {}, text)),
  );
  document.title = `${title} · Privacy centre`;
  heading.focus();
}

/** @param {Overview} overview */
function show(overview) {
  const first = shown === undefined;
  shown = overview;
  if (!overview.devices.some(({ number }) => number === scope)) scope = undefined;
  if (overview.closed || !overview.devices.some(({ number }) => number === live?.device)) stopLive();
  followErasure(overview);
  byId("session").hidden = false;
  byId("session-end").textContent = `Until ${time(overview.endsAt)}`;
  if (first) {
    document.title = "Privacy centre";
    // By the gateway's clock: the person's own may be wrong.
    ending = setTimeout(() => close("over"), Math.max(0, overview.endsAt - overview.now));
  }
  if (rules?.id !== overview.policy.hash) rules = { id: overview.policy.hash, element: policy(overview) };
  fill(
    page,
    hero(overview),
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
    devices(overview, live, (device) => watch(device)),
    copies(copy),
    endings(overview, { withdrawAll, eraseAll }),
  ];
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
  );
}

/** @param {Overview} overview */
function followErasure({ erasure }) {
  if (erasure === undefined || erasing?.status.id === erasure.status.id) return;
  erasing?.stop();
  erasing = new ErasureView(erasure.status, erasure.keys, tell);
}

/** @type {Changes} */
const changes = {
  agree: (purposes, done) =>
    act(done, async (overview) => {
      if (!(await meantForAll(overview))) return overview;
      return agree({ purposes, device: scope, head: overview.head });
    }),
  withdraw: (less, done) => act(done, () => withdraw({ ...less, device: scope }, waiting)),
};

/** Agreeing for all devices takes their own settings away, which could widen one: not without being asked. @param {Overview} overview */
async function meantForAll(overview) {
  const differing = overview.devices.filter(({ own }) => own !== undefined);
  if (scope !== undefined || differing.length === 0) return true;
  // A switch shows what holds, also while the question about it is open.
  show(overview);
  const names = list(differing.map(deviceName));
  return sure({
    title: "For all devices?",
    text: [
      `${names} ${differing.length === 1 ? "has settings of its own" : "have settings of their own"}.`,
      "If you switch this on for all devices, they all get the same settings. To change one alone, choose it above the switches.",
    ],
    yes: "Switch on for all",
  });
}

function waiting() {
  tell("Recorded. A message of before is still being finished …");
}

/**
 * One after the other; whatever comes of it, the page shows how things stand.
 * @param {string} done
 * @param {(overview: Overview) => Promise<Overview>} change
 */
async function act(done, change) {
  if (shown === undefined) return;
  if (busy) {
    show(shown);
    return;
  }
  busy = true;
  page.setAttribute("aria-busy", "true");
  try {
    const before = shown;
    const after = await change(before);
    if (after !== before) tell(`Done at ${time(after.now, true)}. ${done}`);
    show(after);
  } catch (error) {
    await failed(error);
  } finally {
    busy = false;
    page.removeAttribute("aria-busy");
  }
}

/** @param {unknown} error */
async function failed(error) {
  const code = error instanceof Problem ? error.code : "internal";
  if (!(error instanceof Problem)) reportError(error);
  if (code === "session-ended") return close("over");
  try {
    show(await look());
  } catch {
    if (shown !== undefined) show(shown);
  }
  tell(problemText(code));
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
  await act(`Saved as ${file}.`, async () => {
    tell("Being prepared …");
    save(await download(format), file);
    return look();
  });
}

async function withdrawAll() {
  const yes = await sure({
    title: "Take everything back?",
    text: [
      "From now on nothing of any device is stored or passed on, for any purpose. You can agree again whenever you like.",
    ],
    yes: "Take everything back",
  });
  if (yes) await act("Nothing of any device is used any more.", () => withdraw({}, waiting));
}

async function eraseAll() {
  const yes = await sure({
    title: "Erase everything?",
    text: [
      "All that is stored of the devices is deleted and searched for once more, the key that made its names is destroyed, and services that were given something are told to forget it.",
      "This cannot be undone. If you want a copy, go back and download it first.",
    ],
    yes: "Erase everything",
    danger: true,
  });
  if (!yes) return;
  await act("The erasure has begun. Nothing is used any more.", erase);
  byId("main").focus();
}

/** Said aloud and shown for a while. @param {string} text */
function tell(text) {
  clearTimeout(quiet);
  byId("told").textContent = text;
  if (text !== "") quiet = setTimeout(() => tell(""), TOLD_MS);
}

/** Time may have passed without the page: a sleeping computer, another tab, a page kept for the way back. */
async function wake() {
  if (document.hidden || busy || shown === undefined) return;
  try {
    const now = await look();
    if (!busy && shown !== undefined) show(now);
  } catch (error) {
    if (error instanceof Problem && error.code === "session-ended") close("over");
  }
}

document.addEventListener("visibilitychange", wake);
addEventListener("pageshow", (event) => event.persisted && location.reload());
byId("leave").addEventListener("click", async () => {
  close(
    await leave().then(
      () => "left",
      () => "not-left",
    ),
  );
});
await begin();
