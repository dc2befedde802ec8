import assert from "node:assert/strict";
import { test } from "node:test";
import { LostPieces } from "./lost-pieces.ts";

test("LostPieces hands a lost interval out in eighths, and those in eighths again (L9)", () => {
  const pieces = new LostPieces();
  assert.equal(pieces.most(0, 500), 500);
  pieces.lost({ start: 100, end: 500 });
  assert.equal(pieces.most(0, 500), 100, "a claim that would reach into it ends before");
  assert.equal(pieces.most(100, 400), 50);
  assert.equal(pieces.most(480, 400), 20);
  assert.equal(pieces.most(500, 400), 400);
  pieces.lost({ start: 150, end: 200 });
  assert.equal(pieces.most(150, 50), 7);
  assert.equal(pieces.most(100, 400), 50);
  assert.equal(pieces.most(200, 400), 50);
  pieces.lost({ start: 157, end: 164 });
  assert.equal(pieces.most(157, 10), 1);
});

test("LostPieces finds what was lost among what is free", () => {
  const pieces = new LostPieces();
  pieces.lost({ start: 10, end: 20 });
  pieces.lost({ start: 40, end: 41 });
  const free = [
    { start: 0, end: 12 },
    { start: 15, end: 30 },
    { start: 35, end: 100 },
  ];
  assert.deepEqual(pieces.among(free), [
    { start: 10, end: 12 },
    { start: 15, end: 20 },
    { start: 40, end: 41 },
  ]);
});

test("LostPieces forgets what is done", () => {
  const pieces = new LostPieces();
  pieces.lost({ start: 0, end: 80 });
  pieces.done(10, 30);
  assert.equal(pieces.most(0, 80), 10);
  assert.equal(pieces.most(10, 40), 20);
  assert.equal(pieces.most(30, 40), 10);
  pieces.done(0, 80);
  assert.equal(pieces.most(0, 80), 80);
});
