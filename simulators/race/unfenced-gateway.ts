/** The gateway with its fence taken away: a withdrawal does not wait for batches that read the consent before it. */
import { Leases } from "../../src/consent/fence/leases.ts";
import { runRacing } from "./racing.ts";

class UnfencedLeases extends Leases {
  override drain(): Promise<{ drained: boolean; waitedMs: number }> {
    return Promise.resolve({ drained: true, waitedMs: 0 });
  }
}

await runRacing(process.env, { leases: UnfencedLeases });
