/**
 * A program of this repository as one JavaScript file. Started from its TypeScript sources a gateway costs more than twice
 * the processor time until it is ready, and the tests start some hundreds of them.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Below `node_modules`, so that the packages are found from there. */
const FOLDER = join(ROOT, "node_modules", ".cache", "consentry");

const programs = new Map<string, Promise<string>>();

/** Path of the file. `entry` is below the repository; what it is made of is read once in the life of this process. */
export function builtProgram(entry: string): Promise<string> {
  const known = programs.get(entry);
  if (known !== undefined) return known;
  const program = builtAnew(entry);
  programs.set(entry, program);
  return program;
}

async function builtAnew(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [join(ROOT, entry)],
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    logLevel: "error",
    plugins: entry === FIRST ? [ownAddress] : [ownAddress, firstOfAll(await builtProgram(FIRST))],
  });
  const [output] = result.outputFiles;
  if (output === undefined) throw new Error(`nothing was built of ${entry}`);
  return written(output.contents);
}

async function written(program: Uint8Array): Promise<string> {
  const file = join(FOLDER, `${createHash("sha256").update(program).digest("hex").slice(0, 16)}.mjs`);
  if (existsSync(file)) return file;
  await mkdir(FOLDER, { recursive: true });
  // Several processes may build the same at once: the name appears with the whole file behind it.
  const own = `${file}.${process.pid}`;
  await writeFile(own, program);
  await rename(own, file);
  return file;
}

/** In one file all packages are loaded before any line of ours; this has to run before them. */
const FIRST = "src/platform/no-debug-output.ts";

function firstOfAll(file: string): Plugin {
  return {
    name: "first-of-all",
    setup: ({ onResolve }) => {
      onResolve({ filter: /\/no-debug-output\.ts$/ }, ({ kind }) =>
        kind === "entry-point" ? undefined : { path: pathToFileURL(file).href, external: true },
      );
    },
  };
}

/** Modules find files of the repository from where their source stands. */
const ownAddress: Plugin = {
  name: "own-address",
  setup: ({ onLoad }) => {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const contents = source.replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href));
      return { contents, loader: "ts" };
    });
  },
};
