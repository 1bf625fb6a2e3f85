/** Every place is told at the finest resolution that is configured, also where few people live. */
import { Locations } from "../../../src/deidentify/location.ts";
import type { Removal } from "./removal.ts";

const FINEST_RESOLUTION = 6;

export const densities: Removal = {
  take: () => {
    Locations.prototype.useDensities = () => false;
  },
  configure: (config) => {
    const { deidentify } = config;
    const location = { ...deidentify.location, defaultResolution: FINEST_RESOLUTION };
    return { ...config, deidentify: { ...deidentify, location } };
  },
};
