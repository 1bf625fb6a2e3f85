/**
 * A device model becomes the name of its family. Rare models point at people, so a model that no
 * rule names is "other", never itself.
 */
import { LRUCache } from "lru-cache";

export interface ModelRule {
  /** Glob over the whole model, letter case ignored: `*` any run of characters, `?` any one. */
  readonly match: string;
  /** The family to report in its place. */
  readonly as: string;
  /** Devices of the family stand in the open: what they measure is weather. */
  readonly outdoor?: boolean | undefined;
}

interface Family {
  readonly name: string;
  readonly outdoor: boolean;
}

export interface ModelSource {
  readonly models: readonly ModelRule[];
}

const OTHER_MODEL = "other";
const MAX_REMEMBERED_MODELS = 4096;

export class ModelFamilies {
  readonly #rules: readonly ModelRule[];
  readonly #known = new LRUCache<string, Family>({ max: MAX_REMEMBERED_MODELS });
  readonly #more: ModelSource;

  /** `more` is asked when no rule names a model: the rules that come with dialects, which take a while to read. */
  constructor(rules: readonly ModelRule[], more: ModelSource = { models: [] }) {
    this.#rules = rules;
    this.#more = more;
  }

  /** The family of the first rule that matches, else `"other"`. */
  familyOf(model: string): string {
    return this.#familyOf(model).name;
  }

  /** Whether devices of this model stand in the open; not, when no rule says so. */
  isOutdoor(model: string): boolean {
    return this.#familyOf(model).outdoor;
  }

  /** The rules are others: each model is looked for in them again. */
  forget(): void {
    this.#known.clear();
  }

  #familyOf(model: string): Family {
    let family = this.#known.get(model);
    if (family === undefined) {
      const lower = model.toLowerCase();
      const fits = ({ match }: ModelRule): boolean => globMatches(match.toLowerCase(), lower);
      const rule = this.#rules.find(fits) ?? this.#more.models.find(fits);
      family = { name: rule?.as ?? OTHER_MODEL, outdoor: rule?.outdoor === true };
      this.#known.set(model, family);
    }
    return family;
  }
}

/** Backtracks to the last `*` only, so the cost is bounded by the product of the lengths whatever a device sends. */
export function globMatches(glob: string, text: string): boolean {
  let g = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (glob[g] === "*") {
      star = g++;
      resume = t;
    } else if (g < glob.length && (glob[g] === "?" || glob[g] === text[t])) {
      g += 1;
      t += 1;
    } else if (star >= 0) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (glob[g] === "*") g += 1;
  return g === glob.length;
}
