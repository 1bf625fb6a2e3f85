/** One that is delivered to, and what it may be given: asked of the policy again each time. */
import type { CategoryMask } from "../../model/consent.ts";
import type { Recipient } from "../../model/disclosure.ts";
import type { Entitlement } from "../../model/service.ts";

export class Entitled {
  /** Grows with whatever it begins to listen to or may be given. */
  changes = 0;
  #entitlement: Entitlement;

  constructor(entitlement: Entitlement) {
    this.#entitlement = entitlement;
  }

  /** It may be given this from here on. */
  entitle(entitlement: Entitlement): void {
    if (entitlement === this.#entitlement) return;
    const { recipient, categories } = this.#entitlement;
    if (entitlement.recipient !== recipient || entitlement.categories !== categories) this.changes += 1;
    this.#entitlement = entitlement;
  }

  get recipient(): Recipient {
    return this.#entitlement.recipient;
  }

  /** What of the purpose's categories it gets. */
  get categories(): CategoryMask {
    return this.#entitlement.categories;
  }
}
