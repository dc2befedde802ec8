import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import fc from "fast-check";
import { quote } from "./quote.ts";
import { type Command, runLine, type Shell, seekLine } from "./request.ts";

const command: Command = {
  folder: "/d/1",
  inputs: [],
  workingDir: "",
  argv: ["tool", "it's"],
  env: new Map([
    ["A", "1 2"],
    ["b-c", "3"],
    ["OPTIND", "x"],
  ]),
  stdin: "/dev/null",
  limits: {},
};

const own: Shell = { isOwn: true, path: "/x:/y" };
const brought: Shell = { isOwn: false, path: undefined };

describe("runLine()", () => {
  it("is one line of shell", () => {
    assert.equal(
      runLine(7, 1, command, "namespace", own),
      `begin 7 '/d/1' '' && A='1 2' "$l_env" 'b-c=3' 'OPTIND=x' "$l_program" 'it'\\''s' <'/dev/null' >"$l_box/out1" 2>"$l_box/err1" 4>&- 5>&-; end 7 $?\n`,
    );
    assert.match(
      runLine(7, 0, command, "group", own),
      /&& \{ \{ gate 7 && A='1 2' exec \$l_setsid "\$l_env" .* 4>&- 5>&-; \} & watch 7 \$!; \}; end 7 \$\?\n$/,
    );
    assert.equal(
      runLine(7, 0, { ...command, user: { uid: 5, gid: 6, name: "ada", home: "/" } }, "namespace", own),
      `begin 7 '/d/1' '' && "$l_setpriv" --reuid=5 --regid=6 --clear-groups --inh-caps=-all --no-new-privs -- "$l_env" 'A=1 2' 'b-c=3' 'OPTIND=x' "$l_program" 'it'\\''s' <'/dev/null' >"$l_box/out0" 2>"$l_box/err0" 4>&- 5>&-; end 7 $?\n`,
    );
    assert.equal(seekLine({ argv: ["a b"], env: new Map() }, own), "seek 'a b' '/x:/y'\n");
    assert.equal(seekLine({ argv: ["a"], env: new Map([["PATH", "/z"]]) }, own), "seek 'a' '/z'\n");
  });

  it("leaves to the shell of a container what only that knows", () => {
    assert.equal(seekLine({ argv: ["a"], env: new Map() }, brought), `seek 'a' "$PATH"\n`);
    assert.equal(
      runLine(7, 1, { ...command, argv: ["sh", "-c", "x"] }, "namespace", brought),
      `begin 7 '/d/1' '' && A='1 2' "$l_busybox" env 'b-c=3' 'OPTIND=x' "$l_program" '-c' 'x' <'/dev/null' >"$l_box/out1" 2>"$l_box/err1" 4>&- 5>&-; end 7 $?\n`,
    );
  });
});

describe("quote()", () => {
  it("is what a shell reads back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 50 }), (raw) => {
        const text = raw.replaceAll("\0", "").toWellFormed();
        assert.equal(execFileSync("sh", ["-c", `printf %s ${quote(text)}`]).toString(), text);
      }),
      { numRuns: 50 },
    );
  });
});
