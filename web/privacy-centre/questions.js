// @ts-check
/** What is asked before something that reaches further than one switch, or cannot be switched back. */
import { sure } from "../shared/dialog.js";
import { list } from "../shared/format.js";
import { deviceName } from "./devices.js";

/** @typedef {import("../../src/model/centre.ts").CentreOverview} Overview */

/** Agreeing for all devices takes their own settings away, which could widen one. @param {Overview} overview */
export function sureForAll({ devices }) {
  const differing = devices.filter(({ own }) => own !== undefined);
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

export function sureToWithdraw() {
  return sure({
    title: "Take everything back?",
    text: [
      "From now on nothing of any device is stored or passed on, for any purpose. You can agree again whenever you like.",
    ],
    yes: "Take everything back",
  });
}

export function sureToErase() {
  return sure({
    title: "Erase everything?",
    text: [
      "All that is stored of the devices is deleted and searched for once more, the key that made its names is destroyed, and services that were given something are told to forget it.",
      "This cannot be undone. If you want a copy, go back and download it first.",
    ],
    yes: "Erase everything",
    danger: true,
  });
}
