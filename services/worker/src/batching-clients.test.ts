// The clients of datum batching (libs/clients) as their READMEs show them, in long-lived commands of a real worker.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { type DatumOutcome, specOf } from "./testing/job-kit.ts";
import { openBench } from "./testing/worker-kit.ts";

const CLIENTS = join(import.meta.dirname, "../../../libs/clients");
const { SUCCESS, FAILED } = api.DatumState;
const logOf = ({ log }: DatumOutcome) => log.map(({ text }) => Buffer.from(text).toString());

/** Writes the size of its input, and prints its name; fails the file "bad", and ends at the file "end". */
const PROGRAMS = {
  python: [
    "python3",
    "-c",
    `import os, sys
sys.path.insert(0, ${JSON.stringify(join(CLIENTS, "python"))})
import sheaf
for datum in sheaf.datums():
    name = os.path.basename(datum.input)
    print(name)
    if name == "end": raise ValueError("the end")
    if name == "bad": datum.fail("no\\n good", 3); continue
    with open(os.path.join(datum.out, "n"), "w") as f: f.write(str(len(open(datum.input, "rb").read())))`,
  ],
  node: [
    process.execPath,
    "--input-type=module",
    "-e",
    `import { basename } from "node:path";
import { readFileSync, writeFileSync } from "node:fs";
import { datums } from ${JSON.stringify(join(CLIENTS, "node/sheaf.mjs"))};
for (const datum of datums()) {
  const name = basename(datum.input);
  console.log(name);
  if (name === "end") throw new RangeError("the end");
  if (name === "bad") { datum.fail("no\\n good", 3); continue; }
  await null;
  writeFileSync(datum.out + "/n", String(readFileSync(datum.input).length));
}`,
  ],
  shell: [
    "sh",
    "-c",
    `. ${join(CLIENTS, "shell/sheaf.sh")}
datum() {
  name=\${SHEAF_INPUT##*/}
  echo "$name"
  case $name in
    end) echo "the end" >&2; exit 1;;
    bad) sheaf_message="no good"; return 3;;
  esac
  wc -c <"$SHEAF_INPUT" >"$SHEAF_OUT/n"
}
datums`,
  ],
} as const;

const isThere = (program: string) => spawnSync(program, ["--version"]).error === undefined;

describe("the clients of datum batching", () => {
  for (const [language, cmd] of Object.entries(PROGRAMS)) {
    if (language === "python" && !isThere(cmd[0])) {
      console.log("python3 is not on this machine: its client is not tested");
      continue;
    }
    it(`${language}: takes datums, fails one, ends at one, and is started again`, async () => {
      await using bench = await openBench();
      const files = { "/a'b": "1", "/bad": "", "/c d": "333", "/end": "", "/z": "55555" };
      const outcomes = await bench.run(specOf({ cmd: [...cmd], datumBatching: true }, { datumTries: 2 }), files);
      assert.deepEqual(
        outcomes.map(({ row, files }) => [row.state, row.tries, row.reason, files.get("/n")?.trim()]),
        [
          [SUCCESS, 1, "", "1"],
          [FAILED, 2, "EXIT_3", undefined],
          [SUCCESS, 1, "", "3"],
          [FAILED, 2, "EXIT_1", undefined],
          [SUCCESS, 1, "", "5"],
        ],
      );
      assert.match(outcomes[1]?.row.message ?? "", /failed with code 3: no good$/);
      for (const [i, name] of ["a'b", "bad", "c d", "end", "z"].entries()) {
        const lines = logOf(outcomes[i] as DatumOutcome);
        assert.equal(lines.filter((line) => line === name).length, outcomes[i]?.row.tries, `${name}: ${lines}`);
      }
      assert.match(logOf(outcomes[3] as DatumOutcome).join("\n"), /the end/);
    });
  }

  // What a program gives as the reason of a failure is often what another program printed.
  const LONG = {
    node: [
      process.execPath,
      "--input-type=module",
      "-e",
      `import { datums } from ${JSON.stringify(join(CLIENTS, "node/sheaf.mjs"))};
for (const datum of datums()) if (datum.input.endsWith("bad")) datum.fail("x".repeat(300_000));`,
    ],
    shell: [
      "sh",
      "-c",
      `. ${join(CLIENTS, "shell/sheaf.sh")}
datum() {
  case $SHEAF_INPUT in *bad) sheaf_message=$(printf 'one\nok 3\n\\ctwo'); return 1;; esac
}
datums`,
    ],
  } as const;
  for (const [language, cmd] of Object.entries(LONG)) {
    it(`${language}: a message that is long, or has lines, is of its own datum and of no other`, async () => {
      await using bench = await openBench();
      const files = Object.fromEntries(["/a", "/b-bad", "/c", "/d-bad", "/e"].map((path) => [path, ""]));
      const outcomes = await bench.run(specOf({ cmd: [...cmd], datumBatching: true }, { datumTries: 1 }), files);
      const said = outcomes.map(({ row }) => [row.state, row.reason]);
      const bad = [FAILED, "EXIT_1"];
      assert.deepEqual(said, [[SUCCESS, ""], bad, [SUCCESS, ""], bad, [SUCCESS, ""]]);
    });
  }
});
