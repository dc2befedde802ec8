/**
 * The programs as the image has them: bundled, so that a start reads a few files of JavaScript, and not hundreds of modules whose
 * types have to be stripped and whose packages have to be found first. A checkout runs its sources as they are.
 *
 * B1. What a module finds from its own place, it finds in the image as well: it is told the place that it would have there as a
 *     source, and what it starts from there is bundled to that place.
 * B2. The same sources give the same bytes: nothing of this machine goes in, its paths neither.
 * B3. Whoever imports Node's `http` as a module has Node load all of `fetch` with it, for one of the names in it: 20 ms of a start.
 *     Taken by its name it comes without.
 * B4. Each program and each thread is bundled by itself. What it shares with another would hold all that either of them uses, and both
 *     would load it.
 */
import { globSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { type Entry, text } from "./entry.ts";

/** How a source names a thread or a program that is started, never imported. */
const STARTED = /new URL\("([^"]+)\.ts", import\.meta\.url\)/g;
const NOT_STARTED = /\.(test|bench|fixture|test-kit)\.ts$|\/testing\//;
const PLACE = /\bimport\.meta\.(?:url|dirname)\b|\b__dirname\b/g;
/** Packages in the older form of modules take Node's own modules by this name. */
const REQUIRE = 'const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);';

export interface Bundle {
  /** `opt/sheaf/services/worker/src/main.mjs` and so on. */
  readonly entries: readonly Entry[];
  /** The packages that went in, as paths in the project: `node_modules/pino`. */
  readonly packages: readonly string[];
}

/** Bundles the programs (paths of their sources), and whatever threads and programs sources start, to be run in the folder `home`. */
export async function bundle(project: string, programs: readonly string[], home: string): Promise<Bundle> {
  const entryPoints = [...new Set([...programs, ...started(project)])];
  const built = await Promise.all(
    entryPoints.map((path) => build({ ...OPTIONS, ...placed(project, home), entryPoints: [path] })),
  );
  const files = new Map(built.flatMap(({ outputFiles }) => outputFiles.map(({ path, text }) => [path, text])));
  const inputs = built.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const names = inputs.map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  return {
    entries: [...files].map(([path, content]) => text(relative("/", path), content)),
    packages: [...new Set(names.filter((name) => name !== undefined))].sort(),
  };
}

const OPTIONS = {
  outExtension: { ".js": ".mjs" },
  chunkNames: "chunks/[hash]",
  bundle: true,
  splitting: true,
  write: false,
  metafile: true,
  format: "esm",
  platform: "node",
  target: "node24",
  // The form of which only what is used has to go in: of the SDK for S3 a quarter.
  mainFields: ["module", "main"],
  banner: { js: REQUIRE },
  // They stand in the packages' licence files.
  legalComments: "none",
  logLevel: "error",
} as const satisfies BuildOptions;

function placed(project: string, home: string) {
  const plugins = [places(project, home), httpByName, unusedLeftOut];
  return { absWorkingDir: project, outbase: project, outdir: home, plugins };
}

function started(project: string): string[] {
  const sources = globSync("{libs,services}/*/src/**/*.ts", { cwd: project }).filter((path) => !NOT_STARTED.test(path));
  return sources.sort().flatMap((path) => {
    const named = readFileSync(join(project, path), "utf8").matchAll(STARTED);
    return [...named].map(([, name]) => join(dirname(path), `${name}.ts`));
  });
}

/** B3. */
const httpByName: Plugin = {
  name: "http by name",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^(node:)?http$/ }, () => ({ path: "node:http", namespace: "by-name" }));
    onLoad({ filter: /.*/, namespace: "by-name" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/**
 * The client of Kubernetes, and what it imports, does nothing by being loaded, and does not say so: esbuild would take all of its 17 MB
 * for needed. A tenth is used.
 */
const unusedLeftOut: Plugin = {
  name: "unused left out",
  setup: (build) => {
    build.onResolve({ filter: /.*/ }, async ({ path, importer, resolveDir, kind, pluginData }) => {
      const isOf = `${importer}/${path}`.includes("@kubernetes/client-node");
      if (!isOf || pluginData === "asked") return undefined;
      // Most of ten thousand imports say where their file is: to ask for each takes longer than all the rest.
      if (/^\.\.?\/.*\.js$/.test(path)) return { path: join(resolveDir, path), sideEffects: false };
      const found = await build.resolve(path, { importer, resolveDir, kind, pluginData: "asked" });
      return { ...found, sideEffects: false };
    });
  },
};

/** B1. In a bundle all modules would have the bundle's place. */
function places(project: string, home: string): Plugin {
  const onLoad = async ({ path }: { path: string }) => {
    const source = await readFile(path, "utf8");
    if (source.search(PLACE) < 0) return undefined;
    const place = join(home, relative(project, path));
    const contents = source
      .replaceAll(STARTED, 'new URL("$1.mjs", import.meta.url)')
      .replaceAll(PLACE, (word) => JSON.stringify(word.endsWith("url") ? pathToFileURL(place).href : dirname(place)));
    return { contents, loader: path.endsWith("ts") ? ("ts" as const) : ("js" as const) };
  };
  return { name: "places", setup: ({ onLoad: whenLoaded }) => whenLoaded({ filter: /\.[cm]?[jt]s$/ }, onLoad) };
}
