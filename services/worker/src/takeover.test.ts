// What a worker does when its owner is gone, and another comes.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { dispatch, store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import { FakeOwner } from "./testing/fake-owner.ts";
import { JOB, outcomesOf, specOf } from "./testing/job-kit.ts";
import { openBench } from "./testing/worker-kit.ts";

const sh = (script: string) => ({ cmd: ["sh", "-c", script] });
const many = (n: number) =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`/f${String(i).padStart(3, "0")}`, "x".repeat(i)]));

/** A port that takes connections and never says a word, as that of a frozen process. */
async function frozenAddress() {
  const server = createServer((socket) => socket.on("error", () => {}));
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(server.address() as { port: number }).port}`;
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { address, [Symbol.asyncDispose]: close };
}

describe("a worker that loses its owner", () => {
  it("shows what it holds to the next one, says again what was not answered, and redoes nothing", async () => {
    await using bench = await openBench({ slots: 2 });
    const [ran, hold] = [join(bench.dir, "ran"), join(bench.dir, "hold")];
    const script = `echo "\${SHEAF_INPUT##*/f}" >>${ran}; sleep 0.02; case $SHEAF_INPUT in */f020) while [ ! -e ${hold} ]; do sleep 0.02; done;; esac; wc -c <"$SHEAF_INPUT" >"$SHEAF_OUT/n"`;
    const { input, n } = await bench.plan(specOf(sh(script)), many(40));
    bench.owner.cutIntervalMs = 100;
    bench.owner.hangUp();
    const ledger = { job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 20, input };
    // Commits beyond the first are under way for ever.
    bench.owner.onCommit = (_, owner) => (owner.taken.length === 0 ? undefined : null);
    bench.owner.give(ledger);
    // That of the plan, the one that is taken, and one that is not answered: more there need not be.
    await bench.owner.until(() => bench.owner.heardOf("commit").length >= 3);
    const { address } = bench.owner;
    await bench.owner.stop();
    const second = new FakeOwner(bench.store, Number(address.split(":")[1]));
    second.takeOver(bench.owner);
    await second.start();
    await second.until(() => second.heardOf("commit").length > 0);
    writeFileSync(hold, "");
    await second.complete();
    const [hello] = second.heardOf("hello");
    assert.equal(hello?.holds.length, 2);
    assert.ok((hello?.holds[0]?.from ?? 0n) > 0n, "what stands is not shown");
    for (const { fence } of second.heardOf("commit")) assert.equal(fence, 8n);
    const counts = new Map<string, number>();
    for (const index of readFileSync(ran, "utf8").trim().split("\n")) counts.set(index, (counts.get(index) ?? 0) + 1);
    assert.deepEqual([...counts.values()], Array(40).fill(1));
    const outcomes = await outcomesOf(bench.store, second.taken);
    assert.deepEqual(
      outcomes.map(({ files }) => files.get("/n")),
      Array.from({ length: 40 }, (_, i) => `${i}\n`),
    );
    await second.stop();
  });

  it("never says a commit under a fence of before, however often owners change", async () => {
    await using bench = await openBench({ slots: 2 });
    const ran = join(bench.dir, "ran");
    const { input, n } = await bench.plan(specOf(sh(`echo x >>${ran}; sleep 0.01`)), many(200));
    bench.owner.cutIntervalMs = 1;
    bench.owner.hangUp();
    const refused: string[] = [];
    bench.owner.onCommit = ({ claim, fence }, owner) => {
      if (owner.claims.get(claim)?.fence !== fence) refused.push(`${claim}: ${fence}`);
      return undefined;
    };
    bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 50, input });
    let changes = 0;
    while (!bench.owner.isComplete && changes < 50 && refused.length === 0) {
      const commits = bench.owner.heardOf("commit").length;
      await bench.owner.until(() => bench.owner.isComplete || bench.owner.heardOf("commit").length > commits);
      const hellos = bench.owner.heardOf("hello").length;
      bench.owner.hangUp();
      bench.owner.refence(bench.owner.fence + 1n);
      changes++;
      await bench.owner.until(() => bench.owner.heardOf("hello").length > hellos);
    }
    await bench.owner.until(() => bench.owner.isComplete || refused.length > 0);
    assert.deepEqual(refused, []);
    assert.ok(changes >= 5, `${changes} changes`);
    assert.equal(readFileSync(ran, "utf8").length, 2 * n, "nothing ran twice");
  });

  it("drops a claim whose fence is refused", async () => {
    await using bench = await openBench();
    const { input, n } = await bench.plan(specOf(sh("sleep 0.05")), many(10));
    bench.owner.cutIntervalMs = 50;
    bench.owner.hangUp();
    bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 10, input });
    await bench.owner.until(() => bench.owner.heardOf("beat").at(-1)?.claims[0]?.running.length === 1);
    const [claim] = [...bench.owner.claims.values()];
    assert.ok(claim);
    claim.fence = 99n;
    await bench.owner.until(() => bench.owner.heardOf("commit").length >= 2);
    const beats = bench.owner.heardOf("beat").length;
    await bench.owner.until(() => bench.owner.heardOf("beat").length > beats + 3);
    assert.deepEqual(bench.owner.heardOf("beat").at(-1)?.claims, []);
    assert.equal(bench.owner.heardOf("want").at(-1)?.claims, 2);
  });
});

describe("a worker that looks for its owner", () => {
  it("loses about a second to an address that is frozen, and nothing to one where nobody listens", async () => {
    await using frozen = await frozenAddress();
    const began = systemClock.now();
    await using bench = await openBench({ masters: (owner) => ["127.0.0.1:1", frozen.address, owner] });
    await bench.owner.until(() => bench.owner.heardOf("want").length > 0);
    const ms = systemClock.now() - began;
    assert.ok(ms >= 1_000 && ms < 2_500, `${ms} ms`);
  });

  it("follows to another address at once, also to one that it was not told of", async () => {
    await using bench = await openBench();
    const other = new FakeOwner(bench.store);
    await other.start();
    bench.owner.onHello = () => ({
      case: "elsewhere",
      value: create(dispatch.ElsewhereSchema, { address: other.address }),
    });
    const hellos = bench.owner.heardOf("hello").length;
    bench.owner.hangUp();
    await other.until(() => other.heardOf("want").length > 0);
    assert.equal(bench.owner.heardOf("hello").length, hellos + 1);
    // The session broke: it is looked for where it was, before it is looked for elsewhere.
    other.hangUp();
    await other.until(() => other.heardOf("hello").length === 2);
    assert.equal(bench.owner.heardOf("hello").length, hellos + 1);
    await other.stop();
  });

  it("goes on with the next address when its owner is gone for good", async () => {
    const addresses: string[] = [];
    await using bench = await openBench({
      masters: (owner) => {
        addresses.push(owner);
        return addresses;
      },
    });
    const spare = new FakeOwner(bench.store);
    await spare.start();
    addresses.push(spare.address);
    const began = systemClock.now();
    await bench.owner.stop();
    await spare.until(() => spare.heardOf("want").length > 0);
    assert.ok(systemClock.now() - began < 2_000);
    await spare.stop();
  });
});
