// How the project is laid out and who may import whom, as a program. A rule is a name, a reason and a function that
// lists what breaks it; where a rule has exceptions, each stands in a table with its reason.
import assert from "node:assert/strict";
import { basename } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { browserImports } from "./kit/browser-imports.ts";
import { importCycles } from "./kit/import-cycles.ts";
import { type Import, isTest, parseSources, readAll, type SourceFile, targetOf } from "./kit/source-tree.ts";

const files = readAll();
const sources = parseSources(files);
const packages = [...files.keys()].filter((path) => /^(libs|services)\/[^/]+\/package\.json$/.test(path));

/** Libraries that only some packages may know: everybody else goes through these. */
const ALONE: { library: string; known: string[]; because: string }[] = [
  { library: "etcd3", known: ["libs/etcd"], because: "its defaults lose writes and events" },
  {
    library: "@grpc/grpc-js",
    // libs/etcd: a watch must carry `hasleader`, and etcd3 takes it only from a grpc-js interceptor.
    known: ["libs/rpc", "libs/etcd"],
    because: "handlers are written once, for every transport",
  },
  {
    library: "@connectrpc/connect-node",
    known: ["libs/rpc"],
    because: "handlers are written once, for every transport",
  },
  {
    library: "@connectrpc/connect-web",
    known: ["libs/rpc"],
    because: "a page calls as every client does, with its errors, retries and deadlines",
  },
  {
    library: "@kubernetes/client-node",
    known: ["libs/provision"],
    because: "a worker is started through one seam",
  },
  {
    library: "@peculiar/x509",
    known: ["libs/certificates"],
    because: "services only read certificates",
  },
  {
    library: "@aws-sdk/client-s3",
    known: ["libs/storage"],
    because: "objects are kept through one seam",
  },
];

/** Which packages of ours a package may import, when not every library is open to it. */
const OURS: { who: RegExp; may: RegExp; because: string }[] = [
  { who: /^libs\/(runtime|proto)$/, may: /^$/, because: "they are the ground" },
  { who: /^libs\//, may: /^libs\//, because: "a library knows no service" },
  {
    who: /^services\/worker$/,
    may: /^libs\/(?!etcd$|ledger$)/,
    because: "a worker holds no etcd credential",
  },
  {
    // provision: `dev` and `run` start a cluster of their own on this machine. identity, certificates: what has to be there before
    // there is an API.
    who: /^services\/cli$/,
    may: /^libs\/(certificates|client|identity|proto|provision|runtime)$/,
    because: "it uses the public API only",
  },
  { who: /^services\//, may: /^libs\//, because: "services share libraries and contracts only" },
  {
    who: /^(examples|deploy)$/,
    may: /^libs\//,
    because: "what runs on the product knows its doors",
  },
];

/** Clock and randomness are passed in. These may take the machine's own. */
const AMBIENT = /^(globalThis\.)?(Date\.now|Math\.random|performance\.now|setTimeout|setInterval)$|^new Date\(\)$/;
const AMBIENT_MODULES = new Set(["node:timers", "node:timers/promises"]);
const MAY_USE_AMBIENT: { file: RegExp; because: string }[] = [
  { file: /^libs\/runtime\//, because: "it is where the real clock is" },
  { file: /^(test|deploy|examples)\//, because: "nothing in them decides" },
  { file: /^libs\/etcd\/src\/members\.ts$/, because: "grpc-js takes a deadline as wall time" },
];

/** The one import that leaves its package by a path. It runs before node_modules exists, when no package can be found by name. */
const OUTSIDE = { file: "services/cli/sheaf.js", imports: "../../deploy/local/start.js" };

/** What a page loads first, and the packages of others that run in a browser. */
const PAGE_DOOR = "libs/client/src/browser.ts";
const PORTABLE = new Set([
  "@bufbuild/protobuf",
  "@connectrpc/connect",
  "@connectrpc/connect-web",
  "@noble/hashes",
  "yaml", // its own `exports` give browsers another build
]);

/** Files that may be longer than LONG lines: their header says why. */
const LONG = 500;
const TALK = 300;
const MAY_BE_LONG: string[] = [];

/** Words that say nothing about what a file is for. */
const EMPTY_NAMES = /(^|[-.])(utils?|common|helpers?|managers?|misc)([-.]|$)/;

/** What belongs to one machine or one user. Written so that this file does not break the rule itself. */
const OF_A_MACHINE = [
  {
    what: /\/(root|home\/[a-z][a-z0-9_-]*|Users\/[A-Za-z][A-Za-z0-9_-]*)\/[A-Za-z.]/,
    called: "a home folder",
  },
  { what: /\/work\/(main|shared)\b|\.\.\/shared\b/, called: "a folder of somebody's machine" },
  {
    what: /\b(registry\.npmjs|registry\.yarnpkg|(static\.|index\.)?crates\.io|proxy\.golang|sum\.golang|pypi\.org|files\.pythonhosted|repo1?\.maven|deb\.debian)\b/,
    called: "a package registry",
  },
];

interface Rule {
  readonly name: string;
  readonly because: string;
  /** What breaks the rule: `path:line: what`. */
  readonly broken: () => string[];
}

const RULES: Rule[] = [
  {
    name: "a library is imported only by the packages that may know it",
    because: "one seam per outside world",
    broken: () =>
      ALONE.flatMap(({ library, known, because }) =>
        eachImport(
          (file, { specifier }) => isUnder(specifier, library) && ![...known, "test"].includes(file.home),
          () => `only ${known.join(" and ")} may import ${library}: ${because}`,
        ),
      ),
  },
  {
    name: "packages import each other in one direction",
    because: "libs never import services, services never each other, the ground imports nothing",
    broken: () =>
      OURS.flatMap(({ who, may, because }, i) =>
        eachImport(
          (file, { specifier }) => {
            const rule = OURS.findIndex((candidate) => candidate.who.test(file.home));
            const to = homeOf(targetOf(file.path, specifier));
            const leaves = to !== undefined && to !== file.home && !mayLeave(file, specifier);
            return rule === i && leaves && !may.test(to);
          },
          (file) => `${file.home} may not (${who} may import ${may}): ${because}`,
        ),
      ),
  },
  {
    name: "nothing imports test",
    because: "what only tests need must not reach the product",
    broken: () =>
      eachImport(
        (file, { specifier }) => !file.isTest && !isDoor(file.path) && isTest(targetOf(file.path, specifier) ?? ""),
      ),
  },
  {
    name: "a package is entered by its door",
    because: "what index.ts does not export is the package's own business",
    broken: () => eachImport((_, { specifier }) => /^@sheaf\/[^/]+\//.test(specifier)),
  },
  {
    name: "a relative import stays near",
    because: "`../../` means that a file or its folder lies in the wrong place",
    broken: () => eachImport((file, { specifier }) => specifier.startsWith("../../") && !mayLeave(file, specifier)),
  },
  {
    name: "every package has one door",
    because: "`exports` names the file that others see",
    broken: () =>
      packages.flatMap((path) => {
        const door = path.startsWith("libs/") ? "./src/index.ts" : "./src/main.ts";
        const folder = path.slice(0, -"/package.json".length);
        const { exports, name } = JSON.parse(files.get(path) ?? "{}");
        const withBrowser = { ".": { browser: "./src/browser.ts", default: door } };
        const doors = files.has(`${folder}/src/browser.ts`) ? withBrowser : door;
        return [
          ...(isDeepStrictEqual(exports, doors) ? [] : [`${path}: "exports" should be ${JSON.stringify(doors)}`]),
          ...(files.has(`${folder}${door.slice(1)}`) ? [] : [`${folder}: there is no ${door}`]),
          ...(name === `@sheaf/${basename(folder)}` ? [] : [`${path}: "name" should be @sheaf/${basename(folder)}`]),
        ];
      }),
  },
  {
    name: "what a page loads runs in a browser",
    because: "the client is for browsers as well, and there is nothing of Node in them",
    broken: () => {
      const { files: loaded, faults } = browserImports(PAGE_DOOR, sources, files, PORTABLE);
      // A walk that went nowhere would find nothing.
      const missed = ["libs/rpc/src/web-client.ts", "libs/runtime/src/browser.ts", "libs/client/src/watch-job.ts"];
      return [...faults, ...missed.filter((path) => !loaded.includes(path)).map((path) => `${path} was not reached`)];
    },
  },
  {
    name: "no default exports",
    because: "a name should be the same everywhere",
    broken: () =>
      sources
        .filter(({ path, hasDefaultExport }) => hasDefaultExport && !mayExportDefault(path))
        .map(({ path }) => path),
  },
  {
    name: "no import cycles",
    because: "a module of a cycle is seen half made by another one",
    broken: () => importCycles(sources),
  },
  {
    name: "clock and randomness are passed in",
    because: "code that reads the machine's clock can only be tested by waiting",
    broken: () =>
      sources
        .filter((file) => !file.isTest && !MAY_USE_AMBIENT.some((entry) => entry.file.test(file.path)))
        .flatMap((file) => [
          ...file.uses
            .filter(({ name }) => AMBIENT.test(name))
            .map(({ name, line }) => `${file.path}:${line}: ${name}`),
          ...file.imports
            .filter(({ specifier, typeOnly }) => AMBIENT_MODULES.has(specifier) && !typeOnly)
            .map(({ specifier, line }) => `${file.path}:${line}: ${specifier}`),
        ]),
  },
  {
    name: `no file is longer than ${LONG} lines`,
    because: "it holds more than one idea",
    broken: () =>
      sources
        .filter(({ path, lines }) => lines > LONG && !MAY_BE_LONG.includes(path))
        .map(({ path, lines }) => `${path}: ${lines} lines`),
  },
  {
    name: "a file's name says what it is for",
    because: "utils, common, helpers and managers are where anything goes",
    broken: () => [...files.keys()].filter((path) => path.split("/").some((part) => EMPTY_NAMES.test(part))),
  },
  {
    name: "no test is left out",
    because: "a test that does not run proves nothing, and `only` leaves out all others",
    broken: () =>
      sources
        .filter((file) => file.isTest)
        .flatMap(({ path, uses }) =>
          uses
            .filter(({ name }) => /^(test|it|describe|suite)\.(only|skip|todo)$/.test(name))
            .map(({ name, line }) => `${path}:${line}: ${name}`),
        ),
  },
  {
    name: "nothing belongs to one machine",
    because: "a clone works for everybody, everywhere",
    broken: () =>
      [...files].flatMap(([path, text]) =>
        OF_A_MACHINE.flatMap(({ what, called }) => {
          const found = what.exec(text);
          return found ? [`${path}:${lineOf(text, found.index)}: ${found[0]} is ${called}`] : [];
        }),
      ),
  },
];

for (const { name, because, broken } of RULES)
  test(name, () => {
    const faults = broken();
    assert.ok(faults.length === 0, `${because}:\n${faults.join("\n")}`);
  });

test("the sources were found", () => {
  // A rule over no files would hold.
  assert.ok(sources.some(({ path }) => path === "test/tidy.test.ts"));
  assert.ok(packages.length > 0);
  const long = sources.filter(({ lines }) => lines > TALK).sort((a, b) => b.lines - a.lines);
  for (const { path, lines } of long) console.log(`to talk about: ${path} has ${lines} lines`);
});

/** The imports for which `isBroken` holds, a line each. */
function eachImport(
  isBroken: (file: SourceFile, one: Import) => boolean,
  why: (file: SourceFile) => string = () => "",
): string[] {
  return sources.flatMap((file) =>
    file.imports
      .filter((one) => isBroken(file, one))
      .map(({ specifier, line }) => `${file.path}:${line}: imports ${specifier} ${why(file)}`.trimEnd()),
  );
}

function mayLeave({ path }: SourceFile, specifier: string): boolean {
  return path === OUTSIDE.file && specifier === OUTSIDE.imports;
}

/** A door may offer the suite that others must pass. */
function isDoor(path: string): boolean {
  return /^libs\/[^/]+\/src\/index\.ts$/.test(path);
}

function isUnder(specifier: string, library: string): boolean {
  return specifier === library || specifier.startsWith(`${library}/`);
}

function homeOf(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const parts = path.split("/");
  return parts[0] === "libs" || parts[0] === "services" ? parts.slice(0, 2).join("/") : parts[0];
}

/** Node's test runner takes a reporter, and tools their configuration, from the default export. */
/** Tools, and the handler of an example, are found by their default exports. */
function mayExportDefault(path: string): boolean {
  return path.startsWith("examples/handler/") || path === "test/kit/reporter.ts" || /\.config\.[jt]s$/.test(path);
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
