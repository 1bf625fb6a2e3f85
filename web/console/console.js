// @ts-check
/** The console: signs in, keeps one connection, and shows the view that the address names. */
import { codeOf } from "../shared/ask.js";
import { byId, el, fill, icon } from "../shared/dom.js";
import { Ending } from "../shared/ending.js";
import { time } from "../shared/format.js";
import { tell, whenEnded } from "./acts.js";
import { session as look, signOut, stay } from "./api.js";
import { Link } from "./link.js";
import { signInForm } from "./sign-in.js";
import { noteOf, stateOf } from "./standing.js";
import { VIEWS } from "./views.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {import("./api.js").Session} Session */
/** @typedef {import("./link.js").Standing} LinkStanding */
/** @typedef {{ element: HTMLElement, show: (now: Overview) => void, leave?: () => void }} View */

const TITLE = "Consentry console";
const page = byId("page");
const nav = byId("nav");
const menu = byId("menu");

/** @type {Overview | undefined} */
let now;
/** By this computer's clock. */
let heardAt = 0;
/** Of the last figures that were heard while Redis answered. */
let redisAt = 0;
/** @type {LinkStanding} */
let standing = { state: "opening" };
/** Whose page this is: another version of the gateway may need another one. @type {string | undefined} */
let version;
/** @type {"out" | "in" | "ended"} */
let session = "out";
/** @type {{ name: string, view: View } | undefined} */
let shown;
/** @type {string | undefined} */
let noted;

const link = new Link({
  heard: (overview) => {
    now = overview;
    heardAt = Date.now();
    if (!overview.frame.reasons?.includes("redis-unreachable")) redisAt = heardAt;
    version ??= overview.frame.version;
    render();
  },
  standing: (next) => {
    standing = next;
    tops();
  },
  ended: () => ended(),
});
const ending = new Ending({
  stay: stayLonger,
  over: () => void timeIsUp(),
  title: titled,
  words: (end, canStay) =>
    canStay
      ? `At ${end} the session ends by itself. If you are still there, stay.`
      : `At ${end} the session ends by itself: it has lasted as long as it may. Sign in again with your token then.`,
});

async function begin() {
  try {
    enter(await look());
  } catch (error) {
    const code = codeOf(error);
    askIn(code === "session-ended" ? "" : "The gateway did not answer. You can try to sign in.");
  }
}

/** @param {Session} one */
function enter(one) {
  const back = session === "ended";
  session = "in";
  for (const element of [nav, menu, byId("session"), byId("link")]) element.hidden = false;
  ending.set(one);
  if (shown === undefined || !back) route();
  void link.open();
  tops();
  byId("main").focus();
}

/** @param {string} why */
function askIn(why) {
  const form = signInForm(why, enter);
  fill(page, form);
  document.title = `Sign in · ${TITLE}`;
  form.querySelector("input")?.focus();
}

/** What was seen last stays, marked as old; what was asked about one device does not. */
function ended() {
  if (session !== "in") return;
  session = "ended";
  link.stop();
  ending.stop();
  for (const id of ["ask"]) /** @type {HTMLDialogElement} */ (byId(id)).close();
  byId("session").hidden = true;
  if (shown?.name === "device") route();
  tops();
  byId("spoken").textContent = "Your session has ended.";
}

function signInAgain() {
  shown?.view.leave?.();
  shown = undefined;
  noted = undefined;
  fill(byId("note"));
  askIn("");
}

async function timeIsUp() {
  // Another tab of this browser may have put the end off.
  ending.stop();
  const one = await look(5_000).catch(codeOf);
  if (typeof one === "string" || one.endsAt <= one.now) ended();
  else ending.set(one);
}

async function stayLonger() {
  const one = await stay().catch(codeOf);
  if (one === "session-ended") return ended();
  if (typeof one === "string") return tell("No answer came. Please try again.");
  ending.set(one);
  tell(`You stay. The session now ends at ${time(one.endsAt)}.`);
}

async function leave() {
  const code = await signOut().then(
    () => "out",
    (error) => codeOf(error),
  );
  if (code !== "out" && code !== "session-ended") {
    tell("Signing out did not work: no answer came. Try again; otherwise the session ends by itself.");
    return;
  }
  session = "out";
  link.stop();
  ending.stop();
  shown?.view.leave?.();
  now = shown = undefined;
  noted = undefined;
  for (const element of [nav, menu, byId("session"), byId("link")]) element.hidden = true;
  fill(byId("note"));
  tell("");
  askIn("You have signed out.");
}

/** The part of the address behind `#`: the view, and what of it. Never anything that was typed. */
function place() {
  const [name = "", ...rest] = location.hash.slice(1).split("/");
  return VIEWS.some((one) => one.name === name) ? { name, part: rest.join("/") } : { name: "overview", part: "" };
}

function route() {
  if (session === "out") return;
  const { name, part } = place();
  const found = VIEWS.find((one) => one.name === name);
  if (found === undefined) return;
  shown?.view.leave?.();
  const view = found.make({ part, old: session === "ended" });
  const first = shown === undefined;
  shown = { name, view };
  fill(page, view.element);
  open(false);
  render();
  document.title = titled();
  for (const one of nav.querySelectorAll("a")) {
    if (one.hash === `#${name}`) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  if (!first) page.querySelector("h1")?.focus({ preventScroll: true });
}

function titled() {
  const name = VIEWS.find((one) => one.name === shown?.name)?.title;
  const alarms = now?.frame.alarms.length ?? 0;
  return `${alarms > 0 && session === "in" ? `(${alarms}) ` : ""}${name === undefined ? "" : `${name} · `}${TITLE}`;
}

function render() {
  if (session === "out" || now === undefined) return;
  tops();
  counts(now);
  try {
    shown?.view.show(now);
  } catch (error) {
    // What this page does not understand comes of another version: said instead of half a view.
    reportError(error);
    version = "";
    tops();
  }
}

/** Where something waits for somebody, its number stands beside the view. @param {Overview} overview */
function counts({ frame }) {
  for (const { name, count } of VIEWS) {
    const place = byId(`count-${name}`);
    const text = count === undefined ? "" : count(frame);
    if (place.textContent !== text) place.textContent = text;
  }
  if (document.title !== titled() && !(/** @type {HTMLDialogElement} */ (byId("ending")).open))
    document.title = titled();
}

/** How old what is shown is, at the top, and what to do about it. */
function tops() {
  const about = { session, standing, heardAt, redisAt, frame: now?.frame, ofPage: version };
  const { kind, text } = stateOf(about);
  const place = byId("link");
  place.className = `link mark ${kind}`;
  if (place.textContent !== text) place.textContent = text;
  const note = session === "out" ? undefined : noteOf(about);
  document.body.classList.toggle("old", note?.old === true);
  if (note?.text === noted) return;
  noted = note?.text;
  /** @type {Record<string, () => void>} */
  const doings = { "sign-in": signInAgain, "try-now": () => void link.open(), reload: () => location.reload() };
  fill(
    byId("note"),
    note !== undefined &&
      el(
        "div",
        { class: "note attention", role: "status" },
        el("p", {}, note.text),
        el("button", { type: "button", class: "button", id: note.act, onclick: doings[note.act] }, note.label),
      ),
  );
}

/** @param {boolean} wide */
function open(wide) {
  menu.setAttribute("aria-expanded", String(wide));
  nav.classList.toggle("open", wide);
}

fill(
  nav,
  el(
    "ul",
    {},
    ...VIEWS.map(({ name, title }) =>
      el(
        "li",
        {},
        el(
          "a",
          { href: `#${name}` },
          icon(name),
          el("span", {}, title),
          el("span", { class: "count", id: `count-${name}` }),
        ),
      ),
    ),
  ),
);

whenEnded(ended);
addEventListener("hashchange", route);
document.addEventListener("visibilitychange", () => {
  if (session !== "in") return;
  if (document.hidden) link.hide();
  else void link.open();
});
addEventListener("online", () => session === "in" && standing.state === "lost" && void link.open());
addEventListener("pageshow", (event) => event.persisted && location.reload());
byId("leave").addEventListener("click", () => void leave());
byId("stay").addEventListener("click", () => void stayLonger());
menu.addEventListener("click", () => open(menu.getAttribute("aria-expanded") !== "true"));
for (const element of [nav, menu]) {
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    open(false);
    menu.focus();
  });
}
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
await begin();
