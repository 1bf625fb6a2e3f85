/** What the operator adds to what devices may say: properties of `status`, and dialects. */
import { z } from "zod";
import { propertyRow } from "../vocabulary/row.ts";

const MOST_PROPERTIES = 256;
const MOST_DIALECTS = 64;

export const propertyOptions = z.array(propertyRow).max(MOST_PROPERTIES).default([]).meta({
  description:
    "Properties of `status` beyond those of docs/properties.md, with the same columns. Gateways that share a Redis need the same.",
});

export const dialectOptions = z.array(z.string().min(1).max(4_096)).max(MOST_DIALECTS).default([]).meta({
  description:
    "Files of dialects beyond those of docs/devices.md; `npm run dialect -- check` says what is wrong with one. One of the same name takes the place of the gateway's own.",
});
