/** What is refused is acknowledged at once, and not as late as what is made durable. */
import { Producer } from "../../../src/queue/producer.ts";
import type { Removal } from "./removal.ts";

export const paddedRefusals: Removal = {
  take: () => {
    const enqueue = Producer.prototype.enqueue;
    Producer.prototype.enqueue = function (messages, signal) {
      return messages.length === 0 ? Promise.resolve() : enqueue.call(this, messages, signal);
    };
  },
};
