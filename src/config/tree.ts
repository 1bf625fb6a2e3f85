/** The configuration before it is checked: plain nested objects, reached by path and never through a prototype. */
export type Tree = Record<string, unknown>;

export function at(tree: Tree, path: readonly string[]): unknown {
  let node: unknown = tree;
  for (const name of path) {
    if (typeof node !== "object" || node === null || !Object.hasOwn(node, name)) return undefined;
    node = (node as Tree)[name];
  }
  return node;
}

/** Makes the objects on the way as needed; a scalar in the way is left for the schema to refuse. */
export function put(tree: Tree, path: readonly string[], value: unknown): void {
  const parent = parentOf(tree, path, true);
  const name = path.at(-1);
  if (parent !== undefined && name !== undefined) parent[name] = value;
}

export function remove(tree: Tree, path: readonly string[]): void {
  const parent = parentOf(tree, path, false);
  const name = path.at(-1);
  if (parent !== undefined && name !== undefined) delete parent[name];
}

function parentOf(tree: Tree, path: readonly string[], make: boolean): Tree | undefined {
  let node: Tree = tree;
  for (const name of path.slice(0, -1)) {
    if (make && !Object.hasOwn(node, name)) node[name] = {};
    const next = Object.hasOwn(node, name) ? node[name] : undefined;
    if (typeof next !== "object" || next === null) return undefined;
    node = next as Tree;
  }
  return node;
}
