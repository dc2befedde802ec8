// Commands in containers that attack the worker by the folders that both see: it may fail their datums, or end; it is not led out of
// these folders, does not wait for ever, and does not break.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import { JOB, specOf } from "./testing/job-kit.ts";
import { whyNoPod } from "./testing/pod-kit.ts";
import { type Bench, openBench } from "./testing/worker-kit.ts";

const SECRET = "what only the worker may see";
const skip = whyNoPod() ?? false;
const pod = { image: "machine" as const };
const seconds = (n: number) => ({ seconds: BigInt(n), nanos: 0 }) as never;

/**
 * What the worker can reach and containers do not see: that none of it is written, removed or stored is looked at after each attack.
 */
function plant(bench: Bench): { check(): void; checkStored(): void } {
  const hidden = join(bench.dir, "hidden");
  const names = ["a", "f", "f1", "f2", "f3", "requests", "events", "datum.env", "progress", "out/a", "in/a"];
  for (const name of names) {
    mkdirSync(dirname(join(hidden, name)), { recursive: true });
    writeFileSync(join(hidden, name), SECRET);
  }
  const before = list(hidden);
  const check = () => {
    assert.deepEqual(list(hidden), before);
    for (const name of names) assert.equal(readFileSync(join(hidden, name), "utf8"), SECRET, name);
    checkStored();
  };
  const checkStored = () => {
    const stored = execFileSync("sh", ["-c", 'grep -rl "$1" "$2" || true', "sh", SECRET, join(bench.dir, "store")]);
    assert.equal(stored.toString(), "");
  };
  return { check, checkStored };
}

const list = (folder: string) => readdirSync(folder, { recursive: true }).map(String).sort();

/** All of them begin with $V, the volume, $D, the datum's folder, and $O, a folder that only the worker sees. */
const ATTACKS: Readonly<Record<string, string>> = {
  "puts a link in the place of its output folder": `rm -rf $D/pfs/out; ln -s $O $D/pfs/out`,
  "puts a link in the place of the folder of its inputs": `rm -rf $D/pfs/in; ln -s $O $D/pfs/in`,
  "puts a link in the place of its folder": `rm -rf $D; ln -s $O $D`,
  "puts a link in the place of the folder of all datums": `mv $V/data/datums $V/data/old; ln -s $O $V/data/datums`,
  "puts links to a secret into its output": `ln -s $O/f $D/pfs/out/f; ln -s $O $D/pfs/out/d`,
  "puts links in the place of its progress": `ln -sf $O/f $SHEAF_PROGRESS; sleep 2.5`,
  "puts links where the next datums will be": `for n in 1 2 3 4 5 6 7 8 9; do ln -s $O $V/data/datums/$n; done`,
  "puts links in the place of the folders of FIFOs": `mv $V/control/slots $V/control/x; ln -s $O $V/control/slots
    mv $V/control/batches $V/control/y; ln -s $O $V/control/batches`,
  "puts links in the place of its FIFOs": `for f in $V/control/slots/0/*/*; do ln -sf $O/f $f; done`,
  "puts a link in the place of /pfs": `mv $V/control/pfs $V/control/z; mkdir $V/control/pfs; ln -s $O $V/control/pfs/0`,
  "puts links into /pfs": `ln -sfn $O /pfs/.now; ln -sfn $O /pfs/in; ln -sfn $O /pfs/.next; ln -s $O /pfs/more`,
  "puts links in the place of standard inputs": `for f in $V/data/stdin/*; do ln -sf $O/f $f; done`,
  "removes all that it can": `rm -rf $V/data $V/control/slots $V/control/pfs`,
  "writes garbage to the worker": `head -c 300000 /dev/urandom >$V/control/slots/0/0/events`,
  "says that it has ended, again and again": `for n in 0 1 2 3 4 5 6 7 8 9; do echo "exit $n 0 "; echo "did $n hit"; echo "ready group"; echo "exit $n x y"; done >$V/control/slots/0/0/events; sleep 0.3`,
  "writes a line without end": `head -c 20000000 /dev/zero | tr '\\0' x >$V/control/slots/0/0/events`,
};

describe("a command in a container", { skip }, () => {
  for (const [what, attack] of Object.entries(ATTACKS)) {
    it(`that ${what} harms nobody else`, async () => {
      await using bench = await openBench({ pod, graceMs: 200 });
      const secret = plant(bench);
      const begin = `V=${bench.pod?.volume} D=\${SHEAF_OUT%/pfs/out} O=${bench.dir}/hidden; cd /`;
      const script = `${begin}; if [ "$SHEAF_INPUT" != "\${SHEAF_INPUT%/a}" ]; then ${attack}; fi; exit 0`;
      await runToEnd(bench, script, { "/a": "1", "/b": "2", "/c": "3" });
      secret.check();
    });
  }

  // Who swaps a folder in the very moment in which the worker makes or removes an input there can have it made or removed elsewhere: but
  // not where the worker's own files lie, whose folder has a name that is not to be guessed, nor over a file that is there.
  it("that puts links in the place of folders again and again, while another runs, gets to read nothing", async () => {
    await using bench = await openBench({ pod, graceMs: 200, slots: 2 });
    const secret = plant(bench);
    const datums = `${bench.pod?.volume}/data/datums`;
    const swap = `cd ${datums}; i=0; while [ $i -lt 400 ]; do i=$((i + 1)); for d in [0-9]*; do case $SHEAF_OUT in */$d/*) continue ;; esac
      mv $d/pfs/in $d/pfs/was && ln -s ${bench.dir}/hidden $d/pfs/in && rm $d/pfs/in && mv $d/pfs/was $d/pfs/in
      mv $d/pfs/out $d/was && ln -s ${bench.dir}/hidden $d/pfs/out && rm -f $d/pfs/out && mv $d/was $d/pfs/out
      done 2>/dev/null; done`;
    const script = `case $SHEAF_INPUT in */f0) ${swap} ;; *) echo x >"$SHEAF_OUT/a" ;; esac; exit 0`;
    await runToEnd(bench, script, Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`/f${i}`, "in"])));
    secret.checkStored();
  });
});

/** Until all datums have their outcome, or the worker has ended itself. */
async function runToEnd(bench: Bench, script: string, files: Readonly<Record<string, string>>): Promise<void> {
  const transform = { cmd: ["sh"], stdin: [script] };
  const { input, n } = await bench.plan(specOf(transform, { datumTries: 1, datumTimeout: seconds(5) }), files);
  bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: n, input });
  let isOver = false;
  void bench.owner.complete().then(() => (isOver = true));
  while (!isOver && bench.failure === undefined) await systemClock.sleep(20);
}
