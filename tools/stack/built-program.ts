/**
 * A program of this repository as one JavaScript file, with the packages it uses: the tests start some hundreds of them.
 * Started from its TypeScript sources a gateway costs five times the processor time until its first line runs, and twice
 * when Node has to find the files of its packages one by one.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Below `node_modules`, so that the packages which stay outside are found from there. */
const FOLDER = join(ROOT, "node_modules", ".cache", "consentry", "programs");

/** They look for files beside their own. */
const OUTSIDE = ["@fastify/swagger", "@fastify/swagger-ui", "pino"];

/** CommonJS packages in an ES module still ask for the modules of Node by `require`. */
const REQUIRE = `import { createRequire as createRequireOfThis } from "node:module";
const require = createRequireOfThis(import.meta.url);`;

const FORMER_MS = 24 * 3_600_000;

const programs = new Map<string, Promise<string>>();

/** Path of the file. `entry` is below the repository; what it is made of is read once in the life of this process, or of its run. */
export function builtProgram(entry: string): Promise<string> {
  const known = programs.get(entry);
  if (known !== undefined) return known;
  const program = builtInRun(entry);
  programs.set(entry, program);
  return program;
}

/** Where the processes of one run tell each other what they have built: the folder that this variable names. */
const RUN = "BUILT_PROGRAMS";

/** From here on this process and its children build each program once between them; the folder is theirs alone. */
export function shareBuiltPrograms(folder: string): void {
  process.env[RUN] = folder;
}

async function builtInRun(entry: string): Promise<string> {
  const folder = process.env[RUN];
  if (folder === undefined) return builtAnew(entry);
  const note = join(folder, entry.replaceAll("/", "-"));
  if (existsSync(note)) return readFile(note, "utf8");
  const file = await builtAnew(entry);
  await writeWhole(note, file);
  return file;
}

async function builtAnew(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [join(ROOT, entry)],
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    target: "node20",
    external: OUTSIDE,
    banner: { js: REQUIRE },
    logLevel: "error",
    plugins: entry === FIRST ? [ownAddress] : [ownAddress, firstOfAll(await builtProgram(FIRST))],
  });
  const [output] = result.outputFiles;
  if (output === undefined) throw new Error(`nothing was built of ${entry}`);
  return written(output.contents);
}

async function written(program: Uint8Array): Promise<string> {
  const file = join(FOLDER, `${createHash("sha256").update(program).digest("hex").slice(0, 16)}.mjs`);
  await mkdir(FOLDER, { recursive: true });
  // Also when it is there already: by its date a program is known to be in use.
  await writeWhole(file, program);
  return file;
}

/** Programs of sources that have changed since: several megabytes each. None is left of a run that still goes on. */
export async function removeFormerPrograms(): Promise<void> {
  const names = await readdir(FOLDER).catch(() => []);
  for (const file of names.map((name) => join(FOLDER, name))) {
    const status = await stat(file).catch(() => undefined);
    if (status !== undefined && Date.now() - status.mtimeMs > FORMER_MS) await rm(file, { force: true });
  }
}

/** Several processes may write the same at once: the name appears with the whole file behind it. */
async function writeWhole(file: string, contents: Uint8Array | string): Promise<void> {
  const own = `${file}.${process.pid}`;
  await writeFile(own, contents);
  await rename(own, file);
}

/** In one file all packages are loaded before any line of the project; this has to run before them. */
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

/** Modules of the project find files of the repository from where their source stands. */
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
