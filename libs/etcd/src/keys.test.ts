import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { keysOf, type ParsedKey } from "./keys.ts";

const keys = keysOf("dev");
const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,12}$/);
const kind = fc.constantFrom("plan", "process", "merge");
const index = fc.integer({ min: 0, max: 10 ** 12 - 1 });

/** Every builder of a single key, with what `parse` must make of it. */
const built: fc.Arbitrary<readonly [string, ParsedKey]> = fc.oneof(
  name.map((id) => [keys.master(id), { of: "master", id }] as const),
  name.map((id) => [keys.merger(id), { of: "merger", id }] as const),
  name.map((id) => [keys.request(id), { of: "request", id }] as const),
  name.map((pipeline) => [keys.owner(pipeline), { of: "owner", pipeline }] as const),
  name.map((pipeline) => [keys.mergeOwner(pipeline), { of: "merge-owner", pipeline }] as const),
  name.map((pipeline) => [keys.pipeline(pipeline), { of: "pipeline", pipeline }] as const),
  name.map((repo) => [keys.repo(repo), { of: "repo", repo }] as const),
  fc.tuple(name, name).map(([pool, worker]) => [keys.worker(pool, worker), { of: "worker", pool, worker }] as const),
  fc.tuple(name, name).map(([repo, branch]) => [keys.head(repo, branch), { of: "head", repo, branch }] as const),
  fc.tuple(name, name).map(([repo, id]) => [keys.commit(repo, id), { of: "commit", repo, id }] as const),
  fc.tuple(name, name).map(([pipeline, job]) => [keys.job(pipeline, job), { of: "job", pipeline, job }] as const),
  fc.tuple(name, kind).map(([job, k]) => [keys.ledgerMeta(job, k), { of: "ledger-meta", job, kind: k }] as const),
  fc
    .tuple(name, kind, name)
    .map(([job, k, claim]) => [keys.claim(job, k, claim), { of: "claim", job, kind: k, claim }] as const),
  fc
    .tuple(name, kind, index)
    .map(([job, k, start]) => [keys.done(job, k, start), { of: "done", job, kind: k, start }] as const),
  fc.constant([keys.urlKey(), { of: "url-key" }] as const),
  fc
    .tuple(name, kind, index)
    .map(([job, k, i]) => [keys.failure(job, k, i), { of: "failure", job, kind: k, index: i }] as const),
);

test("parse() is the inverse of every builder", () => {
  fc.assert(
    fc.property(built, ([key, parsed]) => {
      assert.deepEqual(keys.parse(key), parsed);
      assert.equal(keysOf("other").parse(key), undefined);
    }),
  );
});

test("different things have different keys", () => {
  fc.assert(
    fc.property(built, built, ([keyA, a], [keyB, b]) => {
      assert.equal(keyA === keyB, JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});

test("every prefix ends in a slash, so that a sibling with a longer name is not under it", () => {
  const prefixes = [
    ...[keys.masters(), keys.mergers(), keys.owners(), keys.mergeOwners(), keys.workers(), keys.workers("p")],
    ...[
      keys.repos(),
      keys.heads("r"),
      keys.allHeads(),
      keys.commits("r"),
      keys.pipelines(),
      keys.jobs("a"),
      keys.allJobs(),
    ],
    ...[keys.claims("j", "plan"), keys.dones("j", "plan"), keys.failures("j", "plan"), keys.ledger("j", "plan")],
    ...[keys.ledgers("j"), keys.allLedgers(), keys.requests(), keys.root],
  ];
  for (const prefix of prefixes) assert.match(prefix, /\/$/);
  assert.equal(new Set(prefixes).size, prefixes.length);
  assert.ok(!keys.job("ab", "j").startsWith(keys.jobs("a")));
  assert.ok(!keys.claim("j", "plan", "c").startsWith(keys.dones("j", "plan")));
  assert.ok(keys.done("j", "plan", 3).startsWith(keys.ledger("j", "plan")));
});

test("done keys sort by their start", () => {
  fc.assert(
    fc.property(index, index, (a, b) => {
      assert.equal(keys.done("j", "process", a) < keys.done("j", "process", b), a < b);
    }),
  );
});

test("a name that could reach into a sibling is refused, and so is an index that is none", () => {
  for (const bad of ["", "a/b", "/", "a\nb", "a\u0000", "x".repeat(256)]) {
    assert.throws(() => keys.repo(bad), { code: "INVALID_ARGUMENT" });
    assert.throws(() => keysOf(bad), { code: "INVALID_ARGUMENT" });
  }
  for (const bad of [-1, 1.5, Number.NaN, 10 ** 12])
    assert.throws(() => keys.done("j", "plan", bad), { code: "INVALID_ARGUMENT" });
});

test("parse() takes nothing that no builder makes", () => {
  const strange = [
    "masters/",
    "masters",
    "masters/a/b",
    "jobs/a",
    "ledgers/j/cook/meta",
    "ledgers/j/plan",
    "ledgers/j/plan/done/7",
  ];
  for (const path of [...strange, "ledgers/j/plan/meta/x", "ledgers/j/plan/claims/a/b", "other/a"]) {
    assert.equal(keys.parse(keys.root + path), undefined, path);
  }
});
