/**
 * Names for the objects of the OpenAPI description, so that a generator of clients makes one type of each. Routes say their
 * shapes with zod where they stand; here every object that is a body, or that occurs twice, moves to `components.schemas`
 * and is referred to from all its places. An object is called what its `title` says, else after the operation or the property that it
 * first stands under.
 */

type Json = Record<string, unknown>;

export interface Description {
  readonly paths: Json;
  readonly components?: { readonly schemas?: Json } & Json;
}

/** What one place says of an object, beside the shape that all places share. */
const OF_THE_PLACE = ["description", "examples"];
/** The property that tells the members of a union apart. */
const TELLING = ["kind", "type", "state", "method"];

/** The same description with names; the one that is given stays as it is. */
export function withNamedSchemas(description: Description): Description {
  const naming = new Naming();
  for (const [operation, part, schema] of bodies(description)) naming.look(schema, [`${operation}-${part}`], true);
  const paths = naming.replaced(description.paths) as Json;
  return { ...description, paths, components: { ...description.components, schemas: naming.schemas() } };
}

/** Every body of a request or an answer: its operation, its part in the name, its schema. */
function* bodies({ paths }: Description): Generator<[operation: string, part: string, schema: unknown]> {
  for (const operation of Object.values(paths).flatMap((methods) => Object.values(methods as Json)) as Json[]) {
    const { operationId, requestBody, responses } = operation as { operationId: string } & Record<string, Json>;
    for (const schema of schemasOf(requestBody)) yield [operationId, "request", schema];
    for (const [status, answer] of Object.entries(responses ?? {}))
      for (const schema of schemasOf(answer as Json))
        yield [operationId, Number(status) < 300 ? "answer" : status, schema];
  }
}

function schemasOf(holder: Json | undefined): unknown[] {
  const content = (holder?.content ?? {}) as Record<string, { schema?: unknown }>;
  return Object.values(content).map(({ schema }) => schema);
}

class Naming {
  /** By the shape as text. */
  readonly #found = new Map<string, { readonly places: string[]; count: number; isBody: boolean }>();
  readonly #named = new Map<string, string>();
  readonly #schemas: Json = {};

  /** Remembers every object in `schema`; `places` are the names on the way to it, the outermost first. */
  look(schema: unknown, places: string[], isBody = false): void {
    if (Array.isArray(schema)) for (const one of schema) this.look(one, places);
    if (!isPlain(schema)) return;
    if (isObjectSchema(schema)) {
      const key = shapeOf(schema);
      const found = this.#found.get(key) ?? {
        places: named(schema) ?? withTelling(schema, places),
        count: 0,
        isBody: false,
      };
      found.count += 1;
      found.isBody ||= isBody;
      this.#found.set(key, found);
    }
    for (const [name, value] of Object.entries(schema)) {
      if (name === "examples") continue;
      if (name === "properties" && isPlain(value))
        for (const [property, one] of Object.entries(value)) this.look(one, [...places, property]);
      else this.look(value, name === "items" || name === "additionalProperties" ? single(places) : places);
    }
  }

  replaced(node: unknown): unknown {
    if (Array.isArray(node)) return node.map((one) => this.replaced(one));
    if (!isPlain(node)) return node;
    const name = isObjectSchema(node) ? this.#nameOf(node) : undefined;
    const inner = Object.fromEntries(
      Object.entries(node).map(([key, value]) => [key, key === "examples" ? value : this.replaced(value)]),
    );
    if (name === undefined) return inner;
    const own = Object.entries(inner).filter(([key]) => OF_THE_PLACE.includes(key));
    this.#schemas[name] ??= Object.fromEntries(Object.entries(inner).filter(([key]) => !OF_THE_PLACE.includes(key)));
    return { $ref: `#/components/schemas/${name}`, ...Object.fromEntries(own) };
  }

  schemas(): Json {
    return Object.fromEntries(Object.entries(this.#schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #nameOf(schema: Json): string | undefined {
    const key = shapeOf(schema);
    const found = this.#found.get(key);
    if (found === undefined || (found.count < 2 && !found.isBody)) return undefined;
    const known = this.#named.get(key);
    if (known !== undefined) return known;
    const taken = new Set(this.#named.values());
    const name = candidates(found.places).find((one) => !taken.has(one));
    if (name === undefined) throw new Error(`no name is free for a schema of ${found.places[0]}`);
    this.#named.set(key, name);
    return name;
  }
}

/** The nearest name alone, then with more and more of those around it, then with a number. */
function candidates(places: readonly string[]): string[] {
  const names = places.map((_, index) =>
    places
      .slice(-1 - index)
      .map(capital)
      .join(""),
  );
  const longest = names.at(-1) ?? "";
  return [...names, ...Array.from({ length: 20 }, (_, index) => `${longest}${index + 2}`)];
}

function named({ title }: Json): string[] | undefined {
  return typeof title === "string" ? [title] : undefined;
}

function withTelling({ properties }: Json, places: readonly string[]): string[] {
  for (const name of TELLING) {
    const { const: only, enum: several } = ((properties as Json)[name] ?? {}) as { const?: unknown; enum?: unknown[] };
    const value = only ?? (several?.length === 1 ? several[0] : undefined);
    if (typeof value === "string") return [...places, value];
  }
  return [...places];
}

function single(places: readonly string[]): string[] {
  const last = places.at(-1) ?? "";
  const one = last.endsWith("ies") ? `${last.slice(0, -3)}y` : last.replace(/(?<![su])s$/, "");
  return [...places.slice(0, -1), one];
}

function capital(word: string): string {
  return word.replace(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function isPlain(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isObjectSchema(node: Json): boolean {
  return node.type === "object" && isPlain(node.properties);
}

function shapeOf(schema: Json): string {
  const shared = Object.entries(schema).filter(([name]) => !OF_THE_PLACE.includes(name));
  return JSON.stringify(shared.sort(([a], [b]) => (a < b ? -1 : 1)));
}
