import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type DatumFolder, DatumFolders } from "./datum-folders.ts";

const root = mkdtempSync(join(tmpdir(), "sheaf-datum-folders-test-"));
after(() => rmSync(root, { recursive: true }));
let count = 0;

function newFolders() {
  const dir = join(root, String(count++));
  mkdirSync(dir);
  return new DatumFolders(dir, (folder, error) => assert.fail(`${folder}: ${error}`));
}

/** All entries below, sorted. */
const tree = (folder: DatumFolder) => (readdirSync(folder.path, { recursive: true }) as string[]).sort();

function use(folders: DatumFolders, files: readonly string[]): DatumFolder {
  const folder = folders.take();
  folder.prepare(files);
  for (const file of files) writeFileSync(join(folder.pfs, file), "1", { mode: 0o444 });
  return folder;
}

const expected = (...entries: string[]) => ["pfs", "pfs/out", ...entries.map((entry) => `pfs/${entry}`)].sort();

describe("DatumFolders", () => {
  it("uses a folder again, and shows a datum only its own files", () => {
    const folders = newFolders();
    const first = use(folders, ["in/a/b/f", "in/a/g", "other/h"]);
    assert.deepEqual(tree(first), expected("in", "in/a", "in/a/b", "in/a/b/f", "in/a/g", "other", "other/h"));
    writeFileSync(join(first.out, "result"), "1");
    folders.give(first);
    const second = use(folders, ["in/a/c/f"]);
    assert.equal(second, first);
    assert.deepEqual(tree(second), expected("in", "in/a", "in/a/c", "in/a/c/f"));
    folders.give(second);
    assert.deepEqual(tree(use(folders, [])), expected());
  });

  it("makes nothing where something else stands in the place of its root", () => {
    const dir = join(root, "ours");
    const elsewhere = join(root, "elsewhere");
    for (const folder of [dir, elsewhere]) mkdirSync(folder);
    const folders = new DatumFolders(dir, () => assert.fail());
    renameSync(dir, join(root, "old"));
    symlinkSync(elsewhere, dir);
    assert.throws(() => folders.take(), { syscall: "mkdir", message: `${dir} was removed or replaced` });
    assert.deepEqual(readdirSync(elsewhere), []);
  });

  for (const [what, mess] of [
    ["left a file beside pfs", (f: DatumFolder) => writeFileSync(join(f.path, "x"), "")],
    ["left a file among the inputs", (f: DatumFolder) => writeFileSync(join(f.pfs, "in/x"), "")],
    ["left a folder in the output", (f: DatumFolder) => mkdirSync(join(f.out, "x"))],
    ["left a link in the output", (f: DatumFolder) => symlinkSync("/etc", join(f.out, "x"))],
    ["removed an input", (f: DatumFolder) => rmSync(join(f.pfs, "in/f"))],
    ["closed a folder", (f: DatumFolder) => chmodSync(join(f.pfs, "in"), 0)],
    ["opened a folder", (f: DatumFolder) => chmodSync(f.out, 0o777)],
    [
      "put a link in the place of a folder",
      (f: DatumFolder) => {
        renameSync(f.out, join(root, `away-${count}`));
        symlinkSync("/tmp", f.out);
      },
    ],
    ["removed everything", (f: DatumFolder) => rmSync(f.path, { recursive: true })],
  ] as const) {
    it(`does not use a folder again when the command ${what}`, () => {
      const folders = newFolders();
      const first = use(folders, ["in/f"]);
      mess(first);
      folders.give(first);
      const second = use(folders, ["in/f"]);
      assert.notEqual(second.path, first.path);
      assert.deepEqual(tree(second), expected("in", "in/f"));
    });
  }

  // A command that is not root must not have root remove files for it.
  for (const [what, folder] of [
    ["its output folder", "out"],
    ["a folder of its inputs", "in"],
  ] as const) {
    it(`removes nothing behind a link that the command put in the place of ${what}`, () => {
      const away = join(root, `precious-${count}`);
      mkdirSync(away);
      writeFileSync(join(away, "f"), "precious");
      const folders = newFolders();
      const first = use(folders, ["in/f"]);
      rmSync(join(first.pfs, folder), { recursive: true });
      symlinkSync(away, join(first.pfs, folder));
      folders.give(first);
      assert.equal(readFileSync(join(away, "f"), "utf8"), "precious");
      assert.notEqual(folders.take().path, first.path);
    });
  }

  it("gives every datum files of its own: what a command keeps of one, or does to it, is not seen by the next", () => {
    const folders = newFolders();
    const first = use(folders, ["in/f"]);
    const kept = join(root, `kept-${count}`);
    linkSync(join(first.pfs, "in/f"), kept);
    chmodSync(join(first.pfs, "in/f"), 0o666);
    folders.give(first);
    const second = use(folders, ["in/f"]);
    writeFileSync(kept, "changed");
    assert.equal(readFileSync(join(second.pfs, "in/f"), "utf8"), "1");
  });
});

it("lack no room, whatever a command has done to the folder of all of them", () => {
  const dir = join(root, String(count++));
  mkdirSync(dir);
  const folders = new DatumFolders(dir, () => {});
  assert.equal(folders.lacks, undefined);
  rmSync(dir, { recursive: true });
  assert.equal(folders.lacks, undefined);
  assert.equal(folders.isWhole, false);
});
