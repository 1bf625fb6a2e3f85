/** A mechanism that a gateway can be run without, to see that an attack notices. The product has no switch for any of this. */
import type { Config } from "../../../src/config/schema.ts";
import type { Overrides } from "../../../src/gateway.ts";

export interface Removal {
  /** Takes out what no composition reaches; before the gateway is built. */
  readonly take?: () => void;
  /** Below the floors that hold for every configuration of the product. */
  readonly configure?: (config: Config) => Config;
  readonly overrides?: Overrides;
}
