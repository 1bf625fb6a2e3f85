/** Properties of `status` that the operator adds to the vocabulary. */
import { z } from "zod";
import { propertyRow } from "../vocabulary/row.ts";

const MOST_PROPERTIES = 256;

export const propertyOptions = z.array(propertyRow).max(MOST_PROPERTIES).default([]).meta({
  description:
    "Properties of `status` beyond those of docs/properties.md, with the same columns. Gateways that share a Redis need the same.",
});
