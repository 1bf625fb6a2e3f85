/** Network services hear of each message, when it comes. */
import type { Outgoing } from "../../../src/model/disclosure.ts";
import type { Removal } from "./removal.ts";

/** As the gateway is configured by default. */
const EPOCH_MS = 7 * 86_400_000;
const AT_STEP_MS = 60_000;

export const networkSteps: Removal = {
  overrides: {
    noteNetwork: ({ delivery, nameOf }) => {
      return async (all) => {
        const batch = all.map(({ device, wrappedSubjectKey, revision, said: { model, ipPrefix }, at }): Outgoing => {
          const name = nameOf(wrappedSubjectKey, device.deviceKey, Math.floor(at / EPOCH_MS));
          const network = {
            device: name,
            ...(model !== undefined && { model }),
            ...(ipPrefix !== undefined && { ipPrefix }),
            at: at - (at % AT_STEP_MS),
          };
          return { subject: device.subjectTag, revision, wrappedSubjectKey, at, result: { network } };
        });
        return (await delivery.announce(batch))();
      };
    },
  },
};
