// What commands leave in their output folders, as in bad-commands.ts: rows 64 to 78.

import type { BadCommand } from "./bad-commands.ts";

const MANY = Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`/f${i}`, `${i}\n`]));

export const OUTPUTS: readonly BadCommand[] = [
  {
    row: 64,
    what: "links out",
    script: 'ln -s /etc/passwd "$SHEAF_OUT/l"',
    reason: "SYMLINK_ESCAPE",
    message: /"\/l".* to \/etc\/passwd/,
  },
  {
    row: 64,
    what: "links to nothing",
    script: 'ln -s nowhere "$SHEAF_OUT/l"',
    reason: "SYMLINK_ESCAPE",
    message: /where nothing is/,
  },
  { row: 64, what: "links in a circle", script: 'ln -s l "$SHEAF_OUT/l"', reason: "SYMLINK_ESCAPE", message: /circle/ },
  {
    row: 64,
    what: "links a folder into itself",
    script: 'ln -s . "$SHEAF_OUT/l"',
    reason: "SYMLINK_ESCAPE",
    message: /lies in/,
  },
  {
    ...{ row: 64, what: "links to what is its own", files: { "/d/f": "1\n", "/l/f": "1\n", "/m": "1\n" } },
    script: 'cd "$SHEAF_OUT"; mkdir d; echo 1 >d/f; ln -s d l; ln -s "$SHEAF_OUT/d/f" m',
  },
  { row: 66, what: "leaves a FIFO", script: 'mkfifo "$SHEAF_OUT/p"', reason: "SPECIAL_FILE", message: /"\/p".* FIFO/ },
  {
    row: 66,
    what: "leaves a device",
    script: 'mknod "$SHEAF_OUT/z" c 1 5',
    reason: "SPECIAL_FILE",
    message: /"\/z".* device/,
    needs: "root",
  },
  { row: 67, what: "links hard", script: 'cd "$SHEAF_OUT"; echo 1 >a; ln a b', files: { "/a": "1\n", "/b": "1\n" } },
  {
    row: 69,
    what: "names a file in no UTF-8",
    script: `: >"$SHEAF_OUT/$(printf 'a\\377')"`,
    reason: "BAD_NAME",
    message: /a\\\\xff.*UTF-8/,
  },
  {
    row: 69,
    what: "puts a newline into a name",
    script: `: >"$SHEAF_OUT/$(printf 'a\\nb')"`,
    reason: "BAD_NAME",
    message: /control character/,
  },
  {
    ...{
      row: 69,
      what: "takes odd names",
      files: { "/-n": "1\n", "/a b": "2\n", "/%2F": "3\n", "/e.": "4\n", [`/${"x".repeat(255)}`]: "5\n" },
    },
    script: `cd "$SHEAF_OUT"; echo 1 >./-n; echo 2 >'a b'; echo 3 >%2F; echo 4 >e.; echo 5 >${"x".repeat(255)}`,
  },
  {
    ...{ row: 71, what: "goes 600 folders deep", reason: "OUTPUT_TOO_DEEP", message: /more than 100 folders/ },
    script:
      'cd -P "$SHEAF_OUT"; d=d/d/d/d/d/d/d/d/d/d; d=$d/$d/$d/$d/$d; i=0; while [ $i -lt 12 ]; do mkdir -p $d; cd -P $d; i=$((i+1)); done',
  },
  {
    ...{ row: 76, what: "leaves empty folders", files: { "/d/f": "1\n" } },
    script: 'cd "$SHEAF_OUT"; mkdir -p d a/b/c; echo 1 >d/f',
  },
  {
    ...{ row: 72, what: "writes 2,000 files", files: MANY },
    script: 'cd "$SHEAF_OUT"; i=0; while [ $i -lt 2000 ]; do echo $i >f$i; i=$((i+1)); done',
  },
  {
    row: 75,
    what: "does not compose a name",
    script: `: >"$SHEAF_OUT/$(printf 'cafe\\314\\201')"`,
    reason: "BAD_NAME",
    message: /NFC/,
  },
  { row: 78, what: "writes what another wrote", script: 'echo whole >"$SHEAF_OUT/f"', files: { "/f": "whole\n" } },
];
