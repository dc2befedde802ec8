import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { dispatch, store } from "@sheaf/proto";
import type { Assigned } from "../claims/terms.ts";
import { assignedOf, Desk, raceOf, standOf } from "./desk.ts";

const input = create(store.ObjectRefSchema, { key: "work/x", size: 1n });
const claim: Assigned = {
  owner: "master",
  id: "a",
  fence: 7n,
  job: "j",
  kind: "process",
  from: 3,
  to: 9,
  input,
  prior: new Map(),
  isRace: false,
};
const hold = {
  owner: "master",
  claim: "a",
  fence: 7n,
  job: "j",
  kind: "process",
  from: 4,
  to: 9,
  next: 6,
  finished: 2,
  isRace: false,
  running: [],
} as const;

describe("Desk", () => {
  it("lists a claim from its assignment on, and offers its place to nobody else", () => {
    const desk = new Desk();
    desk.update([], 2, 0, 0);
    assert.equal(desk.wanted(), 2);
    desk.assigned(claim);
    assert.equal(desk.wanted(), 1);
    assert.deepEqual(
      desk.beat("master", 0, 0).claims.map(({ claim: id, next }) => [id, next]),
      [["a", 3n]],
    );
    // The engine spoke before it knew.
    desk.update([], 2, 0, 0);
    assert.equal(desk.wanted(), 1);
    desk.update([hold], 1, 1, 0);
    assert.equal(desk.wanted(), 1);
    assert.deepEqual(
      desk.beat("master", 0, 0).claims.map(({ claim: id, next, finished }) => [id, next, finished]),
      [["a", 6n, 2n]],
    );
    desk.update([], 2, 1, 0);
    assert.equal(desk.beat("master", 0, 0).claims.length, 0);
  });

  it("forgets an assignment that the engine has dropped", () => {
    const desk = new Desk();
    desk.assigned(claim);
    desk.update([], 2, 1, 0);
    assert.equal(desk.wanted(), 2);
    assert.deepEqual(desk.holds("master"), []);
  });

  it("tells each owner of its own claims, and how many the other has", () => {
    const desk = new Desk();
    desk.update([hold], 1, 0, 0);
    desk.assigned({ ...claim, id: "m", owner: "merge", kind: "merge" });
    assert.equal(desk.beat("master", 0, 0).claimsElsewhere, 1);
    assert.deepEqual(
      desk.beat("merge", 0, 0).claims.map(({ claim: id }) => id),
      ["m"],
    );
    const hello = desk.hello("master", { id: "w", pool: "p", version: "0.1.0", slots: 2 });
    assert.deepEqual(
      hello.holds.map(({ claim: id, kind, from, to, fence }) => [id, kind, from, to, fence]),
      [["a", store.WorkKind.PROCESS, 4n, 9n, 7n]],
    );
  });
});

describe("Desk, of what runs", () => {
  it("adds the time since the engine spoke", () => {
    const desk = new Desk();
    desk.update([{ ...hold, running: [{ index: 4, ms: 30.2, progress: "40 %" }] }], 1, 0, 1_000);
    const [position] = desk.beat("master", 1_070, 0).claims;
    assert.deepEqual(
      position?.running.map(({ index, runningMs, progress }) => [index, runningMs, progress]),
      [[4n, 100n, "40 %"]],
    );
  });

  it("lists a race in beats, takes its place, and shows it in no hello", () => {
    const desk = new Desk();
    desk.update([], 2, 0, 0);
    desk.assigned({ ...claim, to: 4, isRace: true });
    assert.equal(desk.wanted(), 1);
    const self = { id: "w", pool: "p", version: "0.1.0", slots: 2 };
    const shown = () => [desk.beat("master", 0, 0).claims.length, desk.hello("master", self).holds.length];
    assert.deepEqual(shown(), [1, 0]);
    desk.update([{ ...hold, isRace: true }], 1, 1, 0);
    assert.deepEqual(shown(), [1, 0]);
  });
});

describe("raceOf()", () => {
  it("reads a race as a claim of one index, with what is known of it", () => {
    const prior = { index: 5n, tries: 2, losses: 1, quarantined: false };
    const fields = { claim: "a", fence: 7n, job: "j", kind: store.WorkKind.MERGE, index: 5n, input };
    const known = new Map([[5, { tries: 2, losses: 1, isQuarantined: false }]]);
    const race: Assigned = { ...claim, owner: "merge", kind: "merge", from: 5, to: 6, isRace: true };
    assert.deepEqual(raceOf("merge", create(dispatch.RaceSchema, fields)), race);
    assert.deepEqual(raceOf("merge", create(dispatch.RaceSchema, { ...fields, prior })), { ...race, prior: known });
    assert.equal(raceOf("merge", create(dispatch.RaceSchema, { ...fields, kind: 0 })), undefined);
  });
});

describe("assignedOf()", () => {
  it("reads an assignment, and refuses half of one", () => {
    const message = create(dispatch.AssignSchema, {
      claim: "a",
      fence: 7n,
      job: "j",
      kind: store.WorkKind.PROCESS,
      from: 3n,
      to: 9n,
      input,
    });
    assert.deepEqual(assignedOf("master", message), claim);
    const prior = [create(dispatch.PriorTriesSchema, { index: 4n, losses: 3, quarantined: true })];
    assert.deepEqual(
      assignedOf("master", create(dispatch.AssignSchema, { ...message, prior }))?.prior,
      new Map([[4, { tries: 0, losses: 3, isQuarantined: true }]]),
    );
    assert.equal(
      assignedOf("master", create(dispatch.AssignSchema, { ...message, kind: store.WorkKind.UNSPECIFIED })),
      undefined,
    );
    assert.equal(assignedOf("master", create(dispatch.AssignSchema, { ...message, from: 9n })), undefined);
  });
});

describe("standOf()", () => {
  it("maps claims to what stands of them", () => {
    const stand = standOf([create(dispatch.HeldClaimSchema, { claim: "a", fence: 8n, from: 1n, to: 5n })]);
    assert.deepEqual([...stand], [["a", { from: 1, to: 5, fence: 8n }]]);
  });
});
