/**
 * An export in plain words: what is stored and why, who received data, what is not stored, and what the subject can do.
 * Pure.
 */

import { contactLine } from "../../model/contact.ts";
import type { DeviceConnection } from "../../model/device-connection.ts";
import type { ExportItem, ExportLineOf } from "../../model/export.ts";
import { CATEGORIES, type Category, PURPOSES, type Purpose } from "../../model/purposes.ts";
import { type DeviceDigest, type Digest, digestOf } from "./digest.ts";

type Given = Partial<Record<Purpose, Category[]>>;

const PURPOSE_WORDS: Readonly<Record<Purpose, string>> = {
  analytics: "Storing what the devices report, to improve the products",
  weather: "Weather services",
  scene: "Scenes and automation",
  network: "Network services",
};
const CATEGORY_WORDS: Readonly<Record<Category, string>> = {
  model: "kind of device",
  ip: "part of the network address",
  location: "rough place",
  status: "status readings",
};
const STATE_WORDS: Readonly<Record<ExportLineOf<"decision">["state"], string>> = {
  given: "consent given",
  refused: "consent refused",
  withdrawn: "consent withdrawn",
  expired: "consent run out",
  requested: "consent asked for, not answered",
};
const REFUSAL_WORDS: Readonly<Record<NonNullable<ExportLineOf<"decision">["refusal"]>, string>> = {
  "no-consent": "there is no consent",
  "consent-withdrawn": "consent was withdrawn",
  "consent-expired": "consent has run out",
  "policy-superseded": "a newer policy version asks for consent again",
  "guardian-missing": "a guardian has not agreed",
  "legal-hold": "a legal hold freezes every use",
  "purpose-denied": "no purpose may use anything",
};
/** Approximate width of a cell in kilometres, for each resolution. */
const CELL_KM = [2_500, 970, 370, 140, 52, 20, 7] as const;

const KEY_LOST = [
  "This is not all: a key of yours was lost. Data stored under it may still be there, but there is no way to tell",
  "that they are yours. They are deleted when their retention time is over.",
];

/** Reads the items to their end. Rejects when they do: then there is nothing to show. */
export async function summaryOf(items: AsyncIterable<ExportItem> | Iterable<ExportItem>): Promise<string> {
  const digest = await digestOf(items);
  return `${[...opening(digest), ...[...digest.devices.values()].flatMap(aboutDevice), ...readings(digest), ...disclosures(digest), ...standing(digest), ...closing()].join("\n")}\n`;
}

function opening({ head, events, devices }: Digest): string[] {
  if (head === undefined) return [];
  const whose = head.by === "guardian" ? ["A guardian asked for this; “you” is the person it is about."] : [];
  return [
    "What is held about you",
    "======================",
    "",
    `Held by ${head.controller}, as of ${moment(head.at)}.`,
    ...(head.contact === undefined ? [] : [`Questions and complaints: ${contactLine(head.contact)}.`]),
    ...whose,
    `The consent record has ${counted(events, "entry", "entries")}: all that was agreed, refused or taken back, and when.`,
    `${counted(devices.size, "device is", "devices are")} or ${devices.size === 1 ? "was" : "were"} yours.`,
    ...(head.incomplete === undefined ? [] : ["", ...KEY_LOST]),
  ];
}

function aboutDevice({
  line,
  decision,
  noted,
  told,
  scene,
  place,
  places,
  readings,
  firstAt,
  lastAt,
}: DeviceDigest): string[] {
  // A line break in a name would add lines of its own.
  const name = line.label?.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, " ") ?? line.device;
  const asked = line.asked === undefined ? "" : `, number ${line.asked + 1} of those asked for`;
  return [
    "",
    `Device ${name}${asked}${line.bound ? "" : " (no longer yours)"}`,
    ...aboutConnection(line.connection),
    ...(decision === undefined
      ? ["  Nothing was said about its data, so nothing of it is used."]
      : aboutDecision(decision)),
    readings === 0
      ? "  Status readings stored: none."
      : `  Status readings stored: ${readings}, from ${moment(firstAt)} to ${moment(lastAt)}.`,
    ...(place === undefined ? ["  Places stored: none."] : aboutPlace(place, places)),
    ...(noted === undefined ? [] : aboutNotedPlace(noted)),
    ...(told === undefined ? [] : aboutNetwork(told)),
    ...(scene === undefined ? [] : aboutScene(scene)),
  ];
}

function aboutConnection(connection: DeviceConnection | undefined): string[] {
  const { dialect, presence, behind, hub } = connection ?? {};
  const others = hub && hub.otherSubjects > 0 ? `, ${hub.otherSubjects} of them another person's` : "";
  return [
    ...(dialect === undefined ? [] : [`  Speaks the dialect ${dialect}.`]),
    ...(presence ? ["  Whether it is connected counts as one of its readings."] : []),
    ...(behind === undefined ? [] : [`  Reports through a hub${behind.otherSubject ? " of another person" : ""}.`]),
    ...(hub === undefined
      ? []
      : [`  Is a hub, through which ${counted(hub.children, "device reports", "devices report")}${others}.`]),
  ];
}

function aboutDecision(decision: ExportLineOf<"decision">): string[] {
  const { state, given, used, refusal, suspended, expiresAt, policyVersion, minor } = decision;
  const until = state === "given" ? `, until ${moment(expiresAt)}` : "";
  return [
    `  State: ${STATE_WORDS[state]} under policy version ${policyVersion}${until}.`,
    ...(minor ? ["  It is a minor's, so nothing of it is stored for analysis."] : []),
    ...purposes(given).map((text) => `  Given: ${text}`),
    ...(refusal === undefined
      ? purposes(used).map((text) => `  Used now: ${text}`)
      : [`  Used now: nothing, because ${REFUSAL_WORDS[refusal]}.`]),
    ...suspended.map((purpose) => `  On hold until you agree again: ${PURPOSE_WORDS[purpose]}.`),
  ];
}

function purposes(given: Given): string[] {
  return PURPOSES.flatMap((purpose) => {
    const categories = CATEGORIES.filter((category) => given[purpose]?.includes(category));
    if (categories.length === 0) return [];
    return [`${PURPOSE_WORDS[purpose]} (${categories.map((category) => CATEGORY_WORDS[category]).join(", ")}).`];
  });
}

function aboutNotedPlace({ cell, center, at }: ExportLineOf<"noted-place">): string[] {
  const about = center === undefined ? "" : ` around ${center.lat}, ${center.lon}`;
  return [`  Noted since ${moment(at)}, sealed, and stored no more finely than this: cell ${cell}${about}.`];
}

function aboutNetwork({ model, ipPrefix }: ExportLineOf<"noted-network">): string[] {
  const said = [ipPrefix && `the address begins with ${ipPrefix.text}`, model && `kind of device ${model.text}`];
  return [
    `  Noted for network services, sealed: ${said.filter((text) => text !== undefined).join(", ")}; forgotten two days after it was said last.`,
  ];
}

function aboutScene({ at, status }: ExportLineOf<"noted-scene">): string[] {
  const count = Object.keys(status).length;
  return [
    `  Kept for scene services that subscribe later, sealed: ${counted(count, "reading", "readings")} of ${moment(at)}; forgotten within a day.`,
  ];
}

function aboutPlace({ cell, resolution, center, epochStart }: ExportLineOf<"location">, places: number): string[] {
  const across = CELL_KM[resolution];
  const about = center === undefined ? "" : ` around ${center.lat}, ${center.lon}`;
  return [
    `  Last place stored: cell ${cell}${about}${across === undefined ? "" : `, about ${across} km across`}, of the period from ${moment(epochStart)}.`,
    ...(places === 1
      ? []
      : [`  Earlier periods: ${counted(places - 1, "place", "places")}, one for each, until their time is up.`]),
  ];
}

function readings({ properties }: Digest): string[] {
  if (properties.length === 0) return [];
  return ["", "What is kept of a reading", ...properties.map(({ label, stored }) => `  ${label}: ${stored}.`)];
}

function disclosures({ disclosed }: Digest): string[] {
  const lines = [...disclosed.values()].map(
    ({ recipient, purpose, region, count, from, to }) =>
      `  ${recipient} (${purpose}, ${region}): at least ${counted(count, "message", "messages")}, ${from === to ? from : `${from} to ${to}`}.`,
  );
  return ["", "Who was given something", ...(lines.length === 0 ? ["  No one."] : lines)];
}

function standing({ holds, erasures, setAside }: Digest): string[] {
  const lines = [
    ...(setAside === 0
      ? []
      : [`  ${counted(setAside, "message", "messages")} could not be processed and wait sealed for an operator.`]),
    ...holds.map(
      ({ reference, until }) => `  Legal hold ${reference} until ${moment(until)}: nothing is used or deleted.`,
    ),
    ...erasures.map(({ id, state, requestedAt }) => `  Erasure ${id} of ${moment(requestedAt)}: ${state}.`),
  ];
  return lines.length === 0 ? [] : ["", "Also on record", ...lines];
}

function closing(): string[] {
  return [
    "",
    "What is not held, and why",
    "  Messages as the devices sent them: they wait sealed, seconds as a rule, and are gone once processed.",
    "  Network addresses: never stored; a part of one is noted, sealed, and told to network services if you agreed.",
    "  Where you were when: of each device one rough place a period, overwritten, never a track.",
    "  Names, e-mail addresses, passwords: belong to your account, and are refused here.",
    "  Names of devices: rows are stored under pseudonyms that change, and only your own key leads to them.",
    "",
    "What you can do",
    "  Take back any purpose or kind of data, or all of it: use ends at once, what is stored stays.",
    "  Have everything erased: what is stored is deleted, services are told, and you get a signed receipt.",
    "  Both are done where you agreed: in the app, or by the account service.",
  ];
}

function counted(count: number, one: string, more: string): string {
  return `${count} ${count === 1 ? one : more}`;
}

function moment(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
