/** What of a record of the network consent covers: family and prefix each for itself. */
import { IP, MODEL } from "../model/consent.ts";
import type { NetworkNote, NetworkPart } from "../model/network.ts";
import { RecordCoverage } from "../platform/record-coverage.ts";
import { limitedTo } from "./record.ts";

export const NETWORK_COVERAGE = new RecordCoverage<NetworkNote, NetworkPart>({
  purpose: "network",
  parts: { model: MODEL, ipPrefix: IP },
  revisionOf: (record, part) => record[part]?.revision,
  limitedTo,
});
