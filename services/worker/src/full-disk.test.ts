// A disk that is full: that of the scratch folder, and that of the store. On small disks of memory; only root may mount them.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { api, store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import { JOB, outcomesOf, specOf } from "./testing/job-kit.ts";
import { openBench } from "./testing/worker-kit.ts";

const sh = (script: string) => ({ cmd: ["sh", "-c", script] });
const { SUCCESS } = api.DatumState;

/** Runs `use` with a disk of its own; skips the test where none can be had. */
async function withDisk(context: TestContext, options: string, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sheaf-small-disk-"));
  try {
    const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
    if (status !== 0) return context.skip("no disk can be mounted here");
    try {
      await use(folder);
    } finally {
      spawnSync("umount", [folder]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("a full scratch disk", () => {
  for (const [what, options, fill] of [
    ["bytes", "size=8m", 'head -c 20000000 /dev/zero >"$SHEAF_OUT/big"'],
    ["files", "size=64m,nr_inodes=300", 'i=0; while : >"$SHEAF_OUT/$i"; do i=$((i+1)); done 2>/dev/null; exit 1'],
  ] as const) {
    it(`fails the datum that fills it with ${what}, by its own name; the others go on`, (context) =>
      withDisk(context, options, async (folder) => {
        await using bench = await openBench({ data: folder });
        const script = `case $SHEAF_INPUT in */f2) ${fill};; *) cp "$SHEAF_INPUT" "$SHEAF_OUT/x";; esac`;
        const files = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`/f${i}`, `${i}`]));
        const outcomes = await bench.run(specOf(sh(script), { datumTries: 2 }), files, 6);
        assert.deepEqual(
          outcomes.map(({ row }) => row.reason),
          ["", "", "SCRATCH_FULL", "", "", ""],
        );
        assert.equal(outcomes[2]?.row.tries, 2);
      }));
  }

  it("costs the next datum nothing: it begins when what filled the disk is gone", (context) =>
    withDisk(context, "size=64m", async (folder) => {
      await using bench = await openBench({ data: folder });
      const fill = 'head -c 80000000 /dev/zero | split -b 4096 -a 5 - "$SHEAF_OUT/" 2>/dev/null'; // takes long to remove
      const script = `case $SHEAF_INPUT in */f[135]) ${fill};; *) cp "$SHEAF_INPUT" "$SHEAF_OUT/x";; esac`;
      const files = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`/f${i}`, `${i}`]));
      const outcomes = await bench.run(specOf(sh(script), { datumTries: 1 }), files, 7);
      const full = "SCRATCH_FULL";
      assert.deepEqual(
        outcomes.map(({ row }) => row.reason),
        ["", full, "", full, "", full, ""],
      );
    }));

  it("takes inputs that fit one by one, and not all at once; what is ahead leaves commands room", (context) =>
    withDisk(context, "size=24m", async (folder) => {
      await using bench = await openBench({ data: folder });
      const files = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`/f${i}`, `${i}`.repeat(9_000_000)]));
      const outcomes = await bench.run(specOf(sh('head -c 1 "$SHEAF_INPUT" >"$SHEAF_OUT/x"')), files, 8);
      assert.deepEqual(
        outcomes.map(({ row, files: left }) => [left.get("/x"), row.tries]),
        Array.from({ length: 8 }, (_, i) => [`${i}`, 1]),
      );
    }));
});

describe("a full store", () => {
  it("costs time, and no try: what could not be stored is stored when there is room again", (context) =>
    withDisk(context, "size=24m", async (folder) => {
      await using bench = await openBench({ store: pathToFileURL(join(folder, "store")).href });
      const { input, n } = await bench.plan(specOf(sh('head -c 2000000 /dev/urandom >"$SHEAF_OUT/x"')), {
        ...{ "/a": "1", "/b": "2", "/c": "3" },
      });
      const ballast = join(folder, "ballast");
      writeFileSync(ballast, Buffer.alloc(23 * 1024 * 1024)); // so that not even one of them fits
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 3, input });
      const finished = () =>
        bench.owner.heardOf("beat").some(({ claims }) => claims.some((claim) => claim.finished === 3n));
      await bench.owner.until(finished);
      await systemClock.sleep(3_000);
      assert.equal(bench.owner.taken.length, 0);
      rmSync(ballast);
      await bench.owner.complete();
      const outcomes = await outcomesOf(bench.store, bench.owner.taken);
      assert.deepEqual(
        outcomes.map(({ row }) => [row.state, row.tries]),
        Array.from({ length: 3 }, () => [SUCCESS, 1]),
      );
    }));
});
