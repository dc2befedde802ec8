// The checker finds what it is there to find: a history without a fault passes, and with any one thing broken it does not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { api } from "@sheaf/proto";
import { type Artefacts, checkArtefacts } from "./check.ts";
import { artefacts, at, claim, done, Forge, HISTORY, JOB, job, owner, PIPELINE, type Step, steps } from "./forge.ts";

type Steps = ReturnType<typeof steps>;

/** A whole job; `change` gets its steps by name, in order, and gives those that are done. */
function forged(change: (all: Steps) => readonly Step[] = Object.values): Forge {
  const forge = new Forge();
  for (const step of change(steps())) step(forge);
  return forge;
}

/** Replaces or inserts steps of a whole job. */
function withSteps(over: Partial<Record<keyof Steps, readonly Step[]>>): Forge {
  return forged((all) => (Object.keys(all) as (keyof Steps)[]).flatMap((name) => over[name] ?? [all[name]]));
}

function invariants(forge: Forge, over: Partial<Artefacts> = {}): string[] {
  return [...new Set(checkArtefacts(artefacts(forge, over)).broken.map(({ invariant }) => invariant))].sort();
}

test("a job without a fault breaks nothing", () => {
  const { broken, rounds, jobs } = checkArtefacts(artefacts(forged()));
  assert.deepEqual(broken, []);
  assert.deepEqual([rounds, jobs], [1, 1]);
});

const BROKEN: Record<string, { readonly finds: string; readonly forge: () => Forge }> = {
  "a done key that is written again": {
    finds: "I1",
    forge: () =>
      forged((s) => [
        s.own,
        s.begin,
        s.claim,
        s.first,
        (f) => f.write({ [at.done(0)]: done(2, 4) }),
        s.second,
        s.publish,
        s.clear,
      ]),
  },
  "a done key that is deleted while its ledger lives, and written anew": {
    finds: "I1",
    forge: () =>
      forged((s) => [
        ...[s.own, s.begin, s.claim, s.first, (f: Forge) => void f.write({ [at.done(0)]: null })],
        ...[(f: Forge) => void f.write({ [at.done(0)]: done(2, 4) }), s.second, s.publish, s.clear],
      ]),
  },
  "a commit under another fence": {
    finds: "I3",
    forge: () => withSteps({ first: [(f) => f.write({ [at.done(0)]: done(2, 99), [at.claim("c1")]: claim(2, 4) })] }),
  },
  "a commit outside its claim": {
    finds: "I3",
    forge: () => forged((s) => [s.own, s.begin, s.claim, s.first, (f) => f.write({ [at.done(1)]: done(3, 4) })]),
  },
  "a commit after its claim was freed": {
    finds: "I3",
    forge: () =>
      forged((s) => [
        s.own,
        s.begin,
        s.claim,
        (f) => f.write({ [at.claim("c1")]: null }),
        s.first,
        s.second,
        s.publish,
        s.clear,
      ]),
  },
  "two claims of one interval": {
    finds: "P",
    forge: () => forged((s) => [s.own, s.begin, s.claim, (f) => f.write({ [at.claim("c2")]: claim(3, 4, "w2") })]),
  },
  "a claim that was put again without its lease": {
    finds: "L3",
    forge: () => forged((s) => [s.own, s.begin, s.claim, (f) => f.write({ [at.claim("c1")]: claim(1, 4) }, "0")]),
  },
  "a success with a gap": {
    finds: "I2",
    forge: () =>
      forged((s) => [s.own, s.begin, s.claim, s.first, (f) => f.write({ [at.claim("c1")]: null }), s.publish, s.clear]),
  },
  "a success without its commit": {
    finds: "I4",
    forge: () => withSteps({ publish: [(f) => f.write({ [at.job]: job(api.JobState.SUCCEEDED) })] }),
  },
  "a job that goes back": {
    finds: "I5",
    forge: () => forged((s) => [s.own, s.begin, (f) => f.write({ [at.job]: job(api.JobState.PLANNING) })]),
  },
  "a terminal state that changes": {
    finds: "I5",
    forge: () =>
      forged((s) => [...Object.values(s), (f: Forge) => void f.write({ [at.job]: job(api.JobState.STOPPED) })]),
  },
  "an owner's key that goes to another replica without a delete": {
    finds: "I9",
    forge: () => forged((s) => [...Object.values(s), (f: Forge) => void f.write({ [at.owner]: owner("r3") })]),
  },
  "a commit while nobody owns": {
    finds: "I9",
    forge: () =>
      forged((s) => [
        s.own,
        s.begin,
        s.claim,
        (f) => f.write({ [at.owner]: null }),
        s.first,
        s.second,
        s.publish,
        s.clear,
      ]),
  },
  "a job that never ends": { finds: "I7", forge: () => forged((s) => [s.own, s.begin, s.claim]) },
  "ledger keys that stay": { finds: "I8", forge: () => withSteps({ clear: [] }) },
};

for (const [what, { finds, forge }] of Object.entries(BROKEN)) {
  test(`it finds ${what} (${finds})`, () => {
    const found = invariants(forge());
    assert.ok(found.includes(finds), `it found ${found.join(", ") || "nothing"}`);
  });
}

test("it finds a hole in the log of etcd (L0)", () => {
  const whole = forged();
  const hole = whole.entries.filter(({ rev }) => rev !== 4);
  assert.ok(invariants(whole, { etcd: hole }).includes("L0"));
  assert.ok(invariants(whole, { etcd: whole.entries.slice(0, -3) }).includes("L0"));
  assert.deepEqual(invariants(whole, { etcd: [...whole.entries, { ns: 1, rev: 50, snapshot: 3 }] }), ["L0"]);
});

const replaced = (entry: object) =>
  HISTORY.map((old) => ({ ...old, ...(old.what === (entry as typeof old).what && entry) }) as typeof old);

test("it finds a wrong result, a failed job and one that was given up", () => {
  assert.deepEqual(invariants(forged(), { history: replaced({ what: "result", digest: "wrong" }) }), ["I2"]);
  assert.ok(invariants(forged(), { history: replaced({ what: "job", state: "FAILED" }) }).includes("I2"));
  assert.ok(invariants(forged(), { history: replaced({ what: "job", state: "MERGING" }) }).includes("I7"));
  const gaveUp = { ns: 9, what: "gave-up", pipeline: PIPELINE, round: 1, why: "no time" } as const;
  assert.deepEqual(invariants(forged(), { history: [...HISTORY, gaveUp] }), ["I7"]);
});

test("it finds a user's try that infrastructure has spent, and knows the user's own failures", () => {
  const history = replaced({ what: "datums", datums: [["/docs/00000.txt", 2, 1]] });
  assert.deepEqual(invariants(forged(), { history }), ["I6"]);
  const note = { ns: 1, job: JOB, file: "00000.txt", word: "fail", worker: "w1" } as const;
  assert.deepEqual(invariants(forged(), { history, notes: [note] }), []);
});

test("it finds a request that was done twice", () => {
  const second = { ...HISTORY[1], job: "job2" } as (typeof HISTORY)[number];
  assert.ok(invariants(forged(), { history: [...HISTORY, second] }).includes("I10"));
});

test("it finds what is left behind, and a service that ended of a bug", () => {
  const end = { revision: forged().rev, workers: [], scratch: [], leases: [], processes: [] };
  assert.deepEqual(invariants(forged(), { end: { ...end, processes: ["4711"] } }), ["I8"]);
  assert.deepEqual(invariants(forged(), { end: { ...end, scratch: ["work/w1"] } }), ["I8"]);
  assert.deepEqual(invariants(forged(), { end: { ...end, workers: ["w1"] } }), ["I8"]);
  const lease = { id: "7", grantedSeconds: 10, keys: [] };
  assert.deepEqual(invariants(forged(), { end: { ...end, leases: [lease] } }), ["I8"]);
  assert.deepEqual(invariants(forged(), { end: { ...end, leases: [{ ...lease, grantedSeconds: 90_000 }] } }), []);
  assert.ok(invariants(forged(), { end: null }).includes("I7"));
  const exited = { ns: 1, what: "exited", service: "master-0", signal: null, asked: false } as const;
  assert.deepEqual(invariants(forged(), { nemesis: [{ ...exited, code: 70 }] }), ["I15"]);
  assert.deepEqual(invariants(forged(), { nemesis: [{ ...exited, code: 1 }] }), []);
});
