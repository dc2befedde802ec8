// `npm run test:clients` prepares the clients; this measures them: node test/clients/figures.ts [FILES] [MB]. Times of the wall, and of
// the processors, which other programs disturb less; see README.md.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@sheaf/client";
import { freePorts } from "@sheaf/provision";
import { TestCluster } from "../kit/cluster.ts";
import { commandOf, Driver } from "./driver.ts";

const [files = 10_000, megabytes = 1_000] = process.argv.slice(2).map(Number);
const TICKS_PER_S = 100;
const MB = 1_000_000;

/** Seconds of processor that a process has used. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

const root = mkdtempSync(join(tmpdir(), "sheaf-figures-"));
const cluster = await TestCluster.start();
const client = connect(cluster.address);
const row = (what: string, wall: number, ours: number, master: number, rate: string) =>
  console.log(
    `${what.padEnd(34)} ${wall.toFixed(2)} s, ${rate}; CPU: client ${ours.toFixed(2)} s, server ${master.toFixed(2)} s`,
  );

/** One operation of a driver that has been warmed up. */
async function measure(driver: Driver, step: object): Promise<{ wall: number; ours: number; master: number }> {
  const before = [performance.now(), cpuOf(driver.pid), cpuOf(cluster.pid("master"))] as const;
  const outcome = await driver.begin({ address: cluster.address, ...step }).outcome;
  if ("error" in outcome) throw new Error(outcome.error.message);
  return {
    wall: (performance.now() - before[0]) / 1_000,
    ours: cpuOf(driver.pid) - before[1],
    master: cpuOf(cluster.pid("master")) - before[2],
  };
}

function curl(address: string, target: string, server: number): Promise<void> {
  const before = [performance.now(), cpuOf(server)] as const;
  return new Promise((resolve, reject) => {
    spawn("curl", ["-sS", "-o", target, address], { stdio: "inherit" }).once("exit", (code) => {
      if (code !== 0) return reject(new Error(`curl ended with ${code}`));
      const wall = (performance.now() - before[0]) / 1_000;
      row(
        "curl of a static file",
        wall,
        Number.NaN,
        cpuOf(server) - before[1],
        `${(megabytes / wall).toFixed(0)} MB/s`,
      );
      resolve();
    });
  });
}

try {
  mkdirSync(join(root, "many"));
  for (let i = 0; i < files; i++) writeFileSync(join(root, "many", String(i)), Buffer.alloc(1_024, `${i} `));
  mkdirSync(join(root, "one"));
  const piece = Buffer.alloc(MB);
  for (let i = 0; i < megabytes; i++) {
    piece.fill(`${i} `);
    writeFileSync(join(root, "one", "large"), piece, { flag: "a" });
  }
  await client.rpc.repo.createRepo({ name: "many" });
  await client.rpc.repo.createRepo({ name: "one" });
  await client.putFolder("one", "master", join(root, "one"));
  for (const language of ["python", "go", "java", "typescript"] as const) {
    const driver = new Driver(language);
    for (const round of [1, 2]) {
      const put = await measure(driver, {
        op: "put",
        repo: "many",
        branch: `${language}${round}`,
        folder: join(root, "many"),
      });
      row(
        `${language}: put ${files} files`,
        put.wall,
        put.ours,
        put.master,
        `${(files / put.wall).toFixed(0)} files/s`,
      );
    }
    const got = await measure(driver, { op: "get", repo: "one", ref: "master", folder: join(root, "got") });
    row(
      `${language}: get ${megabytes} MB`,
      got.wall,
      got.ours,
      got.master,
      `${(megabytes / got.wall).toFixed(0)} MB/s`,
    );
    await driver.end();
  }
  const [port = 0] = await freePorts(1);
  const python = commandOf("python", "").command[0] ?? "python3";
  const server = spawn(python, ["-m", "http.server", "--bind", "127.0.0.1", "-d", join(root, "one"), String(port)], {
    stdio: "ignore",
  });
  while (!(await fetch(`http://127.0.0.1:${port}/`).catch(() => null)))
    await new Promise((resolve) => setTimeout(resolve, 100));
  for (const _ of [1, 2]) await curl(`http://127.0.0.1:${port}/large`, join(root, "curled"), server.pid ?? 0);
  const { url } = await client.rpc.file.getFileUrl({ commit: { repo: "one" }, path: "/large" });
  await curl(url, join(root, "curled"), cluster.pid("master"));
  server.kill();
} finally {
  client.close();
  await cluster.stop();
  rmSync(root, { recursive: true, force: true });
}
