/**
 * Group commit against one-by-one: whatever is submitted, whenever, however slow etcd is, each change has the
 * outcome that it would have had alone (G4); and when answers are lost and writes arrive late, nothing is
 * applied that was said not to be (G7).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ManualClock, manualClock, type Random, seededRandom, testLogger } from "@sheaf/runtime";
import fc from "fast-check";
import type { Change, ChangeOp, ChangeOutcome } from "./change.ts";
import type { Compare, KeyValue, Txn, TxnOutcome } from "./etcd.ts";
import { EtcdModel } from "./etcd-model.ts";
import { GroupCommit } from "./group-commit.ts";

const OWNER = "/owner";
const DEAD_LEASE = "7";
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (kv: KeyValue | null | undefined): string | null => (kv ? Buffer.from(kv.value).toString() : null);

const key = fc.constantFrom("a", "b", "c", "d", "e", "f");
const value = fc.constantFrom("1", "2", "3");
// Revisions differ between a batch and one by one, so only "absent" and values are compared here.
const compare: fc.Arbitrary<Compare> = fc.oneof(
  key.map((k) => ({ key: k, target: "create", is: 0n }) as const),
  key.map((k) => ({ key: k, target: "mod", is: 0n }) as const),
  fc.tuple(key, value).map(([k, v]) => ({ key: k, target: "value", is: bytes(v) }) as const),
);
const op: fc.Arbitrary<ChangeOp> = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(key, value).map(([k, v]) => ({ put: k, value: bytes(v) })) },
  { weight: 5, arbitrary: key.map((k) => ({ delete: k })) },
  {
    weight: 1,
    arbitrary: key.map((k) => ({ put: k, value: bytes("9"), lease: DEAD_LEASE })),
  },
);
const anyChange: fc.Arbitrary<Change> = fc.record({
  name: fc.constant("change"),
  compare: fc.array(compare, { maxLength: 3 }),
  // Not always valid: the same key may be written twice.
  ops: fc.array(op, { maxLength: 3 }),
});
const plan = fc.array(fc.tuple(anyChange, fc.integer({ min: 0, max: 12 })), { maxLength: 40 });

/** What alone would have come out, in words that do not name revisions. */
async function oneByOne(model: EtcdModel, change: Change): Promise<string> {
  const outcome = await model.txn({
    compare: change.compare,
    then: change.ops,
    else: change.compare.map(({ key: k }) => ({ get: k })),
  });
  if (outcome.kind === "refused") return `refused ${JSON.stringify(outcome.reads.map(text))}`;
  return outcome.kind === "invalid" ? "bug" : outcome.kind;
}

function inWords(outcome: ChangeOutcome): string {
  if (outcome.kind === "refused") return `refused ${JSON.stringify(outcome.current.map(text))}`;
  return outcome.kind;
}

const contents = (model: EtcdModel): (string | null)[][] =>
  model.all().flatMap((kv) => (kv.key === OWNER ? [] : [[kv.key, text(kv)]]));

test("random changes through group commit equal one by one, in the order of submission", async () => {
  const setting = fc.record({
    plan,
    seed: fc.integer(),
    maxOps: fc.integer({ min: 1, max: 8 }),
    maxCompares: fc.integer({ min: 2, max: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(setting, async ({ plan: steps, seed, maxOps, maxCompares }) => {
      const [clock, model, alone] = [manualClock(), new EtcdModel(), new EtcdModel()];
      const random = seededRandom(seed);
      model.apply({ compare: [], then: [{ put: OWNER, value: bytes("me") }] });
      const epoch = model.revision;
      const group = new GroupCommit({
        etcd: {
          txn: async (txn) => {
            await clock.sleep(random.int(10));
            return model.apply(txn);
          },
          leaseTimeToLive: (id) => model.leaseTimeToLive(id),
        },
        guard: () => [{ key: OWNER, target: "mod", is: epoch }],
        maxOps,
        maxCompares,
        clock,
        onUnknown: async () => "lost",
        log: testLogger(),
      });
      const outcomes: Promise<string>[] = [];
      for (const [change, pause] of steps) {
        outcomes.push(group.submit(change).then(inWords, () => "bug"));
        if (pause > 6) await clock.advance(pause);
      }
      const expected: string[] = [];
      for (const [change] of steps) expected.push(await oneByOne(alone, change));
      assert.deepEqual(await clock.until(Promise.all(outcomes)), expected);
      assert.deepEqual(contents(model), contents(alone));
    }),
    { numRuns: 300 },
  );
});

/** An etcd whose answers get lost, and whose writes may arrive after their sender gave up. */
class LossyEtcd {
  readonly model = new EtcdModel();
  readonly #clock: ManualClock;
  readonly #random: Random;
  readonly late: Promise<void>[] = [];

  constructor(clock: ManualClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  async txn(txn: Txn): Promise<TxnOutcome> {
    await this.#clock.sleep(this.#random.int(5));
    const fate = this.#random.int(10);
    if (fate === 0) return { kind: "unknown", cause: "never arrived" };
    if (fate === 1) {
      this.model.apply(txn);
      return { kind: "unknown", cause: "the answer was lost" };
    }
    if (fate === 2) {
      const arrival = this.#clock.sleep(this.#random.int(60)).then(() => {
        this.model.apply(txn);
      });
      this.late.push(arrival);
      return { kind: "unknown", cause: "it arrives later" };
    }
    return this.model.apply(txn);
  }

  leaseTimeToLive(id: string) {
    return this.model.leaseTimeToLive(id);
  }
}

/** L2, as an owner does it: puts its key again until that is known to have worked, or to be somebody else's. */
async function seal(etcd: LossyEtcd, me: string, epoch: bigint): Promise<bigint | "lost"> {
  for (;;) {
    const outcome = await etcd.txn({
      compare: [{ key: OWNER, target: "mod", is: epoch }],
      then: [{ put: OWNER, value: bytes(me) }],
      else: [{ get: OWNER }],
    });
    if (outcome.kind === "applied") return outcome.revision;
    const read = outcome.kind === "refused" ? outcome.reads[0] : undefined;
    // A seal of our own whose answer was lost: seal again, from its revision.
    if (read && text(read) === me) return seal(etcd, me, read.modRevision);
    if (outcome.kind === "refused") return "lost";
  }
}

test("with lost answers and late writes: applied is there, all else is not, unknown is settled by the seal", async () => {
  const setting = fc.record({
    seed: fc.integer(),
    count: fc.integer({ min: 1, max: 60 }),
    takeover: fc.option(fc.integer({ min: 0, max: 60 })),
  });
  await fc.assert(
    fc.asyncProperty(setting, async ({ seed, count, takeover }) => {
      const clock = manualClock();
      const random = seededRandom(seed);
      const etcd = new LossyEtcd(clock, random);
      etcd.model.apply({ compare: [], then: [{ put: OWNER, value: bytes("me") }] });
      let epoch = etcd.model.revision;
      const group = new GroupCommit({
        etcd,
        guard: () => [{ key: OWNER, target: "mod", is: epoch }],
        maxOps: 5,
        clock,
        onUnknown: async () => {
          const sealed = await seal(etcd, "me", epoch);
          if (sealed === "lost") return "lost";
          epoch = sealed;
          return "sealed";
        },
        log: testLogger(),
      });
      const settledAs = new Map<string, { readonly kind: string; readonly there: boolean }>();
      const outcomes = Array.from({ length: count }, async (_, i) => {
        const name = `k${i}`;
        await clock.sleep(random.int(80));
        const outcome = await group.submit({
          name,
          compare: [{ key: name, target: "create", is: 0n }],
          ops: [{ put: name, value: bytes(name) }],
        });
        settledAs.set(name, { kind: outcome.kind, there: (await etcd.model.get(name)) !== null });
      });
      if (takeover !== null) {
        outcomes.push(
          clock.sleep(takeover).then(() => {
            etcd.model.apply({ compare: [], then: [{ put: OWNER, value: bytes("other") }] });
          }),
        );
      }
      await clock.until(Promise.all(outcomes));
      await clock.advance(1_000);
      await Promise.all(etcd.late);
      for (const [name, { kind, there }] of settledAs) {
        const kv = await etcd.model.get(name);
        assert.equal(kv?.version ?? 1n, 1n, `${name} was written more than once`);
        assert.equal(kv !== null, there, `${name} (${kind}) changed after it was decided`);
        if (kind === "applied") assert.ok(there);
        else if (kind !== "lost") assert.equal(kind, "unknown");
      }
      // A change that is lost to a failed guard was not written; one lost with an unanswered write may have been.
      assert.equal(settledAs.size, count);
    }),
    { numRuns: 300 },
  );
});
