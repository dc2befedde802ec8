// `npm test [path or node option ...]`: every test file of the project, and `N passed, N failed` as the last line.
//
// Each file has a process of its own, few at a time: files start servers and have hooks, which one process would share among all of
// them. What a file prints is shown when it fails.
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve, sep } from "node:path";
import { cacheRoot } from "./cache.js";
import { killGroup, run, stopChildren, survivorsOf } from "./child.js";
import { project } from "./project.js";

/** Default: all but those of the clients in other languages, which set it. */
const FILES = process.env.SHEAF_TEST_FILES ?? "{libs,services,deploy,examples,test}/**/*.test.{ts,js}";
const REPORTER = join(project, "test", "kit", "reporter.ts");
/** One more than the smallest machine that we care for has cores: tests with real processes wait a lot. */
const AT_A_TIME = 3;
const PORTS = { first: 16_000, ofLane: 5_000 };
const TEST_MS = 120_000;
const FILE_MS = 15 * 60_000;
/** They need root, ten minutes of building and the machine to themselves: only when they are named, as `npm run test:kubernetes` does. */
const APART = join("test", "kubernetes");
const APART_TEST_MS = 10 * 60_000;
/** What it promises is about time, on all of the machine. */
const ALONE = join(APART, "end-to-end.test.ts");

/** The test files that the command line asks for: all, or those under the paths it names. */
function testFiles(paths) {
  const all = globSync(FILES, { cwd: project, exclude: (path) => path.includes("node_modules") });
  const wanted = paths.map((path) => relative(project, resolve(process.env.INIT_CWD ?? project, path)));
  const isUnder = (file, path) => path === "" || file === path || file.startsWith(path + sep);
  const isNamed = (file) => wanted.some((path) => isUnder(file, path) && (!isApart(file) || isApart(path)));
  return all.filter((file) => (wanted.length === 0 ? !isApart(file) : isNamed(file))).sort(longOnesFirst);
}

function isApart(path) {
  return path === APART || path.startsWith(APART + sep);
}

/** What is not beside the code takes up to two minutes: begun last, it would run alone in the end. */
function longOnesFirst(a, b) {
  const isShort = (file) => Number(!file.startsWith(`test${sep}`));
  return isShort(a) - isShort(b) || (a < b ? -1 : 1);
}

/** Runs one file and gives its totals. One that ends without any, or leaves something behind, counts as a failure. */
async function runFile(file, options, ports) {
  const begun = performance.now();
  const args = [
    `--test-timeout=${isApart(file) ? APART_TEST_MS : TEST_MS}`,
    `--test-reporter=${REPORTER}`,
    ...options,
    file,
  ];
  // Most of what a short file costs is to compile what it imports.
  const env = {
    NODE_COMPILE_CACHE: join(cacheRoot(), "compile"),
    ...process.env,
    SHEAF_TEST_TOTALS: "fd3",
    SHEAF_PORTS: ports,
  };
  let leader;
  const onStart = (pid) => {
    leader = pid;
  };
  const ended = await run(process.execPath, args, {
    cwd: project,
    env,
    onStart,
    timeoutMs: FILE_MS,
    asksBack: true,
  });
  const { passed, failed, skipped } = JSON.parse(ended.answer || '{"passed":0,"failed":0,"skipped":0}');
  const faults = failed === 0 && ended.code !== 0 ? [`it ended with exit code ${ended.code}`] : [];
  if (passed + failed + skipped === 0 && faults.length === 0 && options.length === 0) faults.push("it holds no test");
  const survivors = await survivorsOf(leader);
  if (survivors.length > 0) faults.push(`it left processes running: ${survivors.join(", ")}`);
  killGroup(leader);

  const good = failed === 0 && faults.length === 0;
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`${good ? "ok  " : "FAIL"}  ${file}  ${passed + failed + skipped} tests  ${seconds} s`);
  // What was left out says why.
  if (!good || skipped > 0) console.log([ended.output.trimEnd(), ...faults].join("\n").replaceAll(/^/gm, "    "));
  return { passed, failed: failed + (failed === 0 && !good ? 1 : 0), skipped };
}

/** Each lane has its own: a port that one has chosen, and not used yet, is not chosen by another. */
function portsOf(lane) {
  const first = PORTS.first + lane * PORTS.ofLane;
  return `${first}-${first + PORTS.ofLane - 1}`;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.once(signal, () => {
    stopChildren();
    process.exit(1);
  });

/** What the services of whole clusters are (test/kit/service-program.ts), in a folder that goes in the end. */
async function bundleServices() {
  const folder = mkdtempSync(join(tmpdir(), "sheaf-test-services-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const program = join(project, "deploy", "image", "install.ts");
  const { code, output } = await run(process.execPath, [program, folder], { cwd: project });
  if (code !== 0) throw new Error(`the services cannot be bundled:\n${output}`);
  process.env.SHEAF_TEST_SERVICES = folder;
}

const options = process.argv.slice(2).filter((word) => word.startsWith("-"));
const paths = process.argv.slice(2).filter((word) => !word.startsWith("-"));
const files = testFiles(paths);
if (paths.length === 0) await bundleServices();
const sum = { passed: 0, failed: 0, skipped: 0 };
const lane = async (waiting, number) => {
  for (let file = waiting.shift(); file; file = waiting.shift()) {
    const totals = await runFile(file, options, portsOf(number));
    for (const key of Object.keys(sum)) sum[key] += totals[key];
  }
};
await lane(
  files.filter((file) => file === ALONE),
  0,
);
const others = files.filter((file) => file !== ALONE);
await Promise.all(Array.from({ length: AT_A_TIME }, (_, number) => lane(others, number)));
// A run that found no test proves nothing.
if (sum.passed === 0) console.log(`no test passed: ${files.length} files match`);
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;
const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : "";
console.log(`\n${sum.passed} passed, ${sum.failed} failed${skipped}`);
