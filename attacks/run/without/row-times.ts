/** Digits of a row time are a hash of the message's id, made without a key. */
import { MessageTimes } from "../../../src/ingress/admission/message-times.ts";
import { openDigits } from "../../open-digits.ts";
import type { Removal } from "./removal.ts";

export const rowTimes: Removal = {
  take: () => {
    const fix = MessageTimes.prototype.fix;
    MessageTimes.prototype.fix = function (message, told) {
      const time = fix.call(this, message, told);
      return told.id === undefined ? time : { ...time, sub: openDigits(told.id) };
    };
  },
};
