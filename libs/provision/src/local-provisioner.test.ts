import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemClock, testLogger } from "@sheaf/runtime";
import { localProvisioner } from "./local-provisioner.ts";
import { NO_NEEDS } from "./needs.ts";
import { isAlive, ownRecord, readRecord, signal } from "./process-record.ts";
import { type Place, provisionerSuite } from "./provision.suite.ts";

/** A worker that is a shell script: its fourth argument is its pool. */
const WORKER = `
case "$4" in
  good) trap 'exit 0' TERM ;;
  stubborn) trap '' TERM ;;
  crash) echo "out of luck" >&2; exit 3 ;;
  print) printf '%s\\n' "$@"; env; exit 0 ;;
esac
echo ready
while :; do sleep 0.02; done`;

const env = {
  PATH: process.env.PATH,
  SHEAF_ETCD: "127.0.0.1:2379",
  SHEAF_PARENT_PID: "1",
  MINE: "a b",
};

async function localPlace(): Promise<Place & { readonly dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), "sheaf-provision-"));
  const argv = ["/bin/sh", "-c", WORKER, "worker"];
  const record = (id: string) => readRecord(join(dir, "workers", `${id}.stat`));
  const lives = async (id: string) => {
    const found = await record(id);
    return found !== undefined && isAlive(found);
  };
  return {
    dir,
    open: () =>
      localProvisioner({
        dataDir: dir,
        workerProgram: { argv },
        env,
        log: testLogger(),
        clock: systemClock,
      }),
    lives,
    ready: async (id) => {
      const log = join(dir, "logs", `worker-${id}.log`);
      while (!(await readFile(log, "utf8")).includes("ready")) await systemClock.sleep(5);
    },
    kill: async (id) => {
      let found = await record(id);
      while (found === undefined) found = await record(id);
      signal(found, "SIGKILL", true);
      while (await lives(id)) await systemClock.sleep(5);
    },
    dispose: async () => {
      for (const name of await readdir(join(dir, "workers")).catch(() => [])) {
        const found = await readRecord(join(dir, "workers", name));
        if (found !== undefined) signal(found, "SIGKILL", true);
      }
      await rm(dir, { recursive: true, force: true });
    },
  };
}

provisionerSuite("local processes", localPlace);

describe("localProvisioner", () => {
  it("gives flags byte for byte, and an environment without what is not for workers", async () => {
    const place = await localPlace();
    const driver = place.open();
    const ended = new Promise<void>((resolve) => driver.onExit(() => resolve()));
    const id = "ab".repeat(16);
    const spec = {
      id,
      slots: 3,
      masters: ["h:1", "h:2"],
      mergers: ["m:1"],
      store: 'file:///a b/"c"',
      needs: NO_NEEDS,
    };
    await driver.create("print", spec);
    await ended;
    const lines = (await readFile(join(place.dir, "logs", `worker-${id}.log`), "utf8")).split("\n");
    const work = join(place.dir, "work", id);
    const flags = ["--id", id, "--pool", "print", "--masters", "h:1,h:2", "--mergers", "m:1", "--store", spec.store];
    assert.deepEqual(lines.slice(0, 14), [...flags, "--data", work, "--slots", "3"]);
    assert.ok(lines.includes("MINE=a b"));
    assert.ok(!lines.some((line) => line.startsWith("SHEAF_")));
    await driver.close();
    await place.dispose();
  });

  it("counts as many nodes as it is told, one by default", async () => {
    const place = await localPlace();
    const options = { dataDir: place.dir, workerProgram: { argv: [] }, env, log: testLogger(), clock: systemClock };
    assert.equal(localProvisioner(options).nodes(), 1);
    assert.equal(localProvisioner({ ...options, nodes: 3 }).nodes(), 3);
    await place.dispose();
  });

  it("does not take a process that has got the id of a dead worker for the worker", async () => {
    const place = await localPlace();
    const first = place.open();
    await first.list();
    const { pid, boot } = ownRecord();
    const stat = `${pid} (sh) S ${Array.from({ length: 18 }, () => "0").join(" ")} 1 0`;
    await writeFile(join(place.dir, "workers", "w1.json"), JSON.stringify({ pool: "good", createdAt: 1 }));
    await writeFile(join(place.dir, "workers", "w1.stat"), `${stat}\n${boot}\n`);
    await first.close();
    const second = place.open();
    assert.deepEqual(await second.list(), []);
    await second.close();
    await place.dispose();
  });

  it("clears away the scratch folder of a worker that a predecessor was forgetting when it died", async () => {
    const place = await localPlace();
    const first = place.open();
    await first.create("good", { id: "w1", slots: 1, masters: [], mergers: [], store: "", needs: NO_NEEDS });
    await first.close();
    await mkdir(join(place.dir, "work", "left", "datums"), { recursive: true });
    const second = place.open();
    assert.deepEqual(
      (await second.list()).map(({ id }) => id),
      ["w1"],
    );
    assert.deepEqual(await readdir(join(place.dir, "work")), ["w1"]);
    await second.remove("w1", { graceMs: 5_000 });
    await second.close();
    await place.dispose();
  });

  it("says which program is missing", async () => {
    const place = await localPlace();
    const dataDir = place.dir;
    const workerProgram = { argv: ["/no/such/program"] };
    const driver = localProvisioner({
      dataDir,
      workerProgram,
      env,
      log: testLogger(),
      clock: systemClock,
    });
    const ended = new Promise<string>((resolve) => driver.onExit(({ logTail }) => resolve(logTail)));
    await driver.create("good", { id: "w1", slots: 1, masters: [], mergers: [], store: "", needs: NO_NEEDS });
    assert.match(await ended, /no\/such\/program/);
    await driver.close();
    await place.dispose();
  });
});
