/** The gateway with its fence taken away: a withdrawal does not wait for batches that read the consent before it. */
import { Leases } from "../../src/consent/fence/leases.ts";
import { runAltered } from "../../tools/stack/altered-gateway.ts";
import { RACING } from "./racing.ts";

class UnfencedLeases extends Leases {
  override drain(): Promise<{ drained: boolean; waitedMs: number }> {
    return Promise.resolve({ drained: true, waitedMs: 0 });
  }
}

await runAltered(() => ({ ...RACING, leases: UnfencedLeases }));
