// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts are shell scripts.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { inlineScript } from "./inline.ts";
import { openSlot, pathWithShell, poorPath } from "./slot.test-kit.ts";

const isInline = (script: string, env: Readonly<Record<string, string>> = {}) =>
  inlineScript({ argv: ["sh", "-c", script], env: new Map(Object.entries(env)) }) === script;

const LAUNCHER = readFileSync(join(import.meta.dirname, "launcher.sh"), "utf8");
const namesIn = (pattern: RegExp) => [...new Set([...LAUNCHER.matchAll(pattern)].map(([, name]) => name as string))];
const VARIABLES = namesIn(/\b(l_[a-z]+)\b/g);
const FUNCTIONS = [...namesIn(/^([a-z_]+)\(\)/gm), "run"];

/** Scripts that must do the same in a subshell of the launcher and in a shell of their own. */
const SAME: readonly string[] = [
  "",
  " ",
  "# nothing",
  "\n\necho third line; nosuch",
  ":",
  "echo a; echo b >&2; exit 7",
  "nosuch",
  "echo 1\necho 2\nnosuch --x\n/no/such\n. ",
  "f() {\n echo in f\n nosuch\n return 3\n}\nf; echo $?\nnosuch",
  "return 5; echo not reached",
  "exit",
  "false; exit",
  "false",
  "set -e; false; echo not reached",
  "set -u; echo ${nothere}; echo not reached",
  "set -eu; true && false || echo fine; x=$(false); echo not reached",
  "set -x; echo a b; cd /",
  "set -f; echo /*; set +f; echo /et[c]",
  "set -- a 'b c'; echo $# \"$2\"; shift; echo $1; shift 3; echo end",
  'echo "[$*] $# $0 $?"',
  "shift; echo after",
  "echo $((1 / 0)); echo not reached",
  "echo ${x?not set}; echo not reached",
  "readonly r=1; r=2; echo not reached",
  "cd /no/such; echo $?; cd /; pwd; echo $OLDPWD; cd - >/dev/null; echo $PWD",
  "echo $PWD $OLDPWD; pwd",
  "umask; ulimit -c; ulimit -n",
  'echo "$IFS" | od -c; IFS=:; x=a:b; echo $x',
  "env | sort",
  "export B=2 A=3; env | sort",
  "export -p | sort",
  "unset PATH; ls /",
  "PATH=/no/such; ls /",
  "ls -l /proc/self/fd | awk '{print $9, ($11 ~ /^pipe|^\\/proc/) ? \"\" : $11}' | sed 's/out[01]/out/; s/err[01]/err/'",
  "echo x >&3; echo $?",
  "echo x >&4; echo $?",
  "echo x >&5; echo $?",
  "echo x >&6; echo x >&9; echo $?",
  "echo ${x!}; echo not reached",
  "echo $((1 +)); echo not reached",
  "[ 1 -eq x ]; echo $?; test a = b c; printf %d x; echo $?",
  "echo\n\necho ${x:?} # the third line",
  "ulimit -n abc; umask 999; kill -NOSUCH 5; cd a b; export 1x=2; echo not reached",
  "command -v run take begin; command nosuch; command exit 4; echo not reached",
  "while read -r x; do echo $x; done",
  "(sleep 0.2; echo late) & echo first; wait",
  "yes | head -n 1; echo $?",
  "exec 3>&1; echo three >&3; exec 3>&-; echo x >&3",
  "exec echo replaced; echo not reached",
  "exec nosuch; echo not reached",
  "exec </no/such; echo not reached",
  "cat; echo done",
  "read x; echo got $x; cat",
  "exec 0</dev/null; cat; echo done",
  "(exit 4); echo $?; (echo sub; exit 2) || echo failed",
  "sleep 0.01 & wait; echo waited",
  "true | false | true; echo $?; false | true; ! true; echo $?",
  "perl -e 'kill 11, getppid'; echo not reached",
  "perl -e 'kill 11, $x'; awk 'BEGIN { system(\"kill -9 1\") }'; echo goes on",
  "for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done; break; echo after",
  "case a in a) echo yes;; esac; case b in (b) echo too;; esac",
  "echo ')'; echo '('; echo \"$(echo \")\")\"; echo `echo ')'`",
  "{ echo a; }; (echo b); if true; then echo c; fi",
  "x=1; y() { x=2; }; y; echo $x; y=3; echo $y",
  "A=changed; echo $A; env | grep ^A=",
  "unset A; echo [$A]",
  "echo 'it'\"'\"'s' \\\n joined",
  "printf '%s\\n' \"a\\\\b\" 'ü 🙂' \"$A\"",
  "wc -c </dev/null >/dev/full",
  "echo full >/dev/full; echo $?",
  "kill -TERM 0",
  "awk 'BEGIN { exit 9 }'",
  "true; }; echo injected; {",
  "true\n)\necho injected\n(",
  "echo one\n)",
  "echo one\nif",
  "echo 'open",
  "exit 3\n(((",
  `echo "${VARIABLES.map((name) => `$${name}`).join("")}"`,
  ...FUNCTIONS.map((name) => name),
];

describe("inlineScript()", () => {
  it("takes sh -c SCRIPT and nothing else", () => {
    assert.ok(isInline('wc -c <"$in" >"$SHEAF_OUT/n"'));
    for (const argv of [
      ["sh"],
      ["sh", "-c"],
      ["/bin/sh", "-c", "x"],
      ["sh", "-e", "x"],
      ["sh", "-c", "x", "y"],
      ["bash", "-c", "x"],
    ])
      assert.equal(inlineScript({ argv, env: new Map() }), undefined);
  });

  it("leaves what could tell the difference to a shell of its own", () => {
    for (const script of [
      "sort >/tmp/x.$$",
      "echo ${$}",
      "sleep 1 & wait $!",
      "kill ${!}",
      "echo $-",
      "echo $PPID",
      "eval echo x",
      ". ./lib.sh",
      "true;. ./lib.sh",
      "source lib.sh",
      "alias a=b",
      "local x",
      "trap 'rm x' EXIT",
      "set",
      "set | sort",
      "set -o",
      "set -euo pipefail",
      "set -v; x",
      "echo x >&10",
      "echo x >&$fd",
      "cat <<E\nx\nE",
      "echo a\\",
    ])
      assert.equal(isInline(script), false, script);
    for (const script of [
      "set -e; x",
      "set -eu\nx",
      "set -- a; x",
      "./run.sh",
      "cat ./a",
      "x=$(cat f)",
      "echo a.b",
      "reset",
      "x 2>&1 >&2 3>&-",
    ])
      assert.ok(isInline(script), script);
    assert.equal(isInline("x", { l_box: "1" }), false);
    assert.ok(isInline("x", { in: "1", box: "2" }));
  });
});

describe("a script in a subshell of the launcher", () => {
  it("is evaluated there from the second time on", async () => {
    using slot = await openSlot();
    const script = 'read -r line </proc/self/cmdline; echo "$line"';
    const argv = ["sh", "-c", script];
    assert.match((await slot.run({ argv })).stdout, /^sh-c/);
    assert.equal(
      (await slot.run({ argv })).stdout,
      slot.isolation.startsWith("PID namespace") ? "sh\n" : `sh-c${script}\n`,
    );
  });

  for (const shell of ["dash", "bash", "busybox"]) {
    it(`does what it does in a shell of its own, byte for byte, where sh is ${shell}`, async (t) => {
      const path = pathWithShell(shell);
      if (path === undefined) return t.skip(`there is no ${shell} here`);
      using slot = await openSlot(5_000, path);
      const env = await slot.run({ argv: ["env"] });
      for (const script of SAME) {
        const wanted = { argv: ["sh", "-c", script], env: { A: "it's\n$x", in: "/x y" }, stdin: "one\ntwo\n" };
        const first = await slot.run(wanted);
        for (const again of ["second", "third"]) assert.deepEqual(await slot.run(wanted), first, `${again}: ${script}`);
      }
      assert.deepEqual(slot.troubles, []);
      assert.deepEqual(await slot.run({ argv: ["env"] }), env);
    });
  }

  it("is stopped like any command, with all its children", async () => {
    using slot = await openSlot(100);
    const argv = ["sh", "-c", "echo on; sleep 1000 & sleep 1000; echo not reached"];
    await slot.run({ argv, timeoutMs: 50 });
    const result = await slot.run({ argv, timeoutMs: 200 });
    assert.deepEqual(result.ended, { kind: "timed-out" });
    assert.deepEqual((await slot.run({ argv: ["sh", "-c", "echo next"] })).stdout, "next\n");
  });

  it("is not evaluated by the launcher when the datum has another sh", async () => {
    using slot = await openSlot();
    const argv = ["sh", "-c", "echo the usual"];
    await slot.run({ argv });
    assert.equal((await slot.run({ argv })).stdout, "the usual\n");
    const other = poorPath({ sh: "#!/bin/dash\necho another: $2\n" });
    for (let i = 0; i < 3; i++)
      assert.equal((await slot.run({ argv, env: { PATH: other } })).stdout, "another: echo the usual\n");
    writeFileSync(join(slot.data, "x"), "");
    assert.equal((await slot.run({ argv })).stdout, "the usual\n");
  });
});
