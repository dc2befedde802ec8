// npm run test:kubernetes [-- path or node option ...]: the tests on a real Kubernetes, one file after another.
// npm run test:kubernetes -- --up [--nodes 2]: only the cluster, with the images of tests, until Ctrl-C.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster } from "./cluster/index.ts";
import { type ImageName, images, NAMES } from "./images/index.ts";
import { findPrograms } from "./programs.ts";

const TESTS = join("test", "kubernetes");
const RUNNER = join(import.meta.dirname, "..", "..", "deploy", "local", "test.js");
const args = process.argv.slice(2);

const found = await findPrograms({ forNodes: true });
if ("cannot" in found) {
  console.log(`sheaf: the tests on Kubernetes cannot run here: ${found.cannot}`);
  // Where everything must be tested, what was not tested is a failure.
  const failed = process.env["CI"] ? 1 : 0;
  console.log(`0 passed, ${failed} failed`);
  process.exit(failed);
}
const given = process.env["SHEAF_TEST_IMAGES"];
const folder = given ?? mkdtempSync(join(tmpdir(), "sheaf-images-"));
if (given === undefined) process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
const files = await images(folder, Object.keys(NAMES) as ImageName[]);
if (args[0] === "--up") await up();
else await test();

async function up(): Promise<void> {
  if (found === undefined || "cannot" in found) return;
  const nodes = args[1] === "--nodes" ? Number(args[2]) : 1;
  const cluster = await Cluster.start({ programs: found.programs, nodes, images: files });
  console.log(`export KUBECONFIG=${cluster.kubeconfig} PATH=${found.programs.kubernetes}:$PATH`);
  console.log(`images: ${Object.values(NAMES).join(" ")}; it ends with Ctrl-C`);
  await new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, resolve);
  });
  await cluster.stop();
}

async function test(): Promise<void> {
  const paths = args.some((word) => !word.startsWith("-")) ? [] : [TESTS];
  const env = { ...process.env, SHEAF_TEST_IMAGES: folder };
  const child = spawn(process.execPath, [RUNNER, ...paths, ...args], { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}
