import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { wrapCommand } from "./wrap-command.ts";

const IN = "/data/pfs/in/a file";
const OUT = "/data/pfs/out";
/** A program that shows its arguments exactly. */
const SHOW = [process.execPath, "-e", "process.stdout.write(JSON.stringify(process.argv.slice(1)))", "--"];

/** What the arguments are when the wrapped command has begun, under a real shell. */
function received(args: readonly string[], input = IN, out = OUT, shell?: readonly string[]): string[] {
  const [program = "", ...rest] = wrapCommand([...SHOW, ...args]);
  assert.equal(program, "sh");
  const [sh = program, ...shellArgs] = shell ?? [];
  const env = { PATH: process.env["PATH"] ?? "", SHEAF_INPUT: input, SHEAF_OUT: out };
  const { status, stdout, stderr } = spawnSync(sh, [...shellArgs, ...rest], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as string[];
}

/** The same, in JavaScript: from left to right, once. */
function expected(args: readonly string[], input = IN, out = OUT): string[] {
  return args.map((arg) => arg.replaceAll(/\{\}|\{out\}/g, (found) => (found === "{}" ? input : out)));
}

const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  "a placeholder alone": ["{}", "{out}"],
  "in the middle of a word": ["--in={}", "x{out}y", "{}{}", "{out}/{}.txt", "{}{out}{}"],
  "nearly a placeholder": [
    "{",
    "}",
    "{ }",
    "{o}",
    "{out",
    "out}",
    "{{}}",
    "{{out}}",
    "{}out}",
    "{out{}",
    "{o{out}",
    "{}}",
    "{in}",
  ],
  "empty arguments": ["", "{}", "", ""],
  "spaces and newlines": [" {} ", "a\nb{}\n", "{}\n\n", "\n", "\t{out}\t"],
  "what a shell would act upon": [
    "$(echo {})",
    "`id`{}",
    "$HOME {}",
    `$${"{x}{}"}`,
    "*",
    "?{}",
    "[a]{}",
    "~{}",
    "!{}",
    "a;b{}",
    "|{}",
    "&{}",
    "#{}",
  ],
  "quotes and backslashes": ["'{}'", '"{}"', "\\{}", "\\\\{out}\\", "\\n{}", "it's {}", '"', "'"],
  dashes: ["-n", "--", "-{}", "-e", "{}"],
  "other alphabets, also the bytes that shells use themselves": [
    "Ёлка{}",
    "{}Ёё",
    "\u0081\u0082{}\u0088",
    "日本{out}語",
    "😀{}😀",
    "é{}é",
  ],
  "a long one": [`${"x".repeat(20_000)}{}${"{".repeat(50)}{out}`],
  "no placeholder in some": ["plain", "{}", "plain too"],
};

const INPUTS = [
  "/plain",
  "/with {} in it",
  "/with {out} in it",
  "/new\nline\n",
  "/a  b",
  "/$(x)`y`$z\\",
  "/*",
  "/Ёж",
  "",
  "{}",
];

describe("wrapCommand", () => {
  it("leaves a command without placeholders as it is", () => {
    assert.deepEqual(wrapCommand(["sh", "-c", "wc -l < $SHEAF_INPUT"]), ["sh", "-c", "wc -l < $SHEAF_INPUT"]);
    assert.deepEqual(wrapCommand(["x", "{ }"]), ["x", "{ }"]);
  });

  it("keeps the user's words readable behind the script", () => {
    assert.deepEqual(wrapCommand(["cp", "{}", "{out}/"]).slice(3), ["sheaf", "cp", "{}", "{out}/"]);
  });

  for (const [name, args] of Object.entries(ARGUMENTS)) {
    it(`puts in what the placeholders stand for: ${name}`, () => {
      const wrapped = [...args, "{}"]; // so that there is something to wrap
      assert.deepEqual(received(wrapped), expected(wrapped));
    });
  }

  for (const input of INPUTS) {
    it(`takes a path as it is: ${JSON.stringify(input)}`, () => {
      const args = ["{}", "a{}b{out}c", "{out}{}"];
      assert.deepEqual(received(args, input, `${input}/out`), expected(args, input, `${input}/out`));
    });
  }

  it("does the same in other shells", (t) => {
    const args = Object.values(ARGUMENTS).flat();
    const shells = [
      ["bash"],
      ["bash", "--posix"],
      ["dash"],
      ["busybox", "sh"],
      ["ksh"],
      ["mksh"],
      ["zsh", "--emulate", "sh"],
    ];
    for (const shell of shells) {
      const [program = ""] = shell;
      if (spawnSync(program, ["-c", ":"]).error !== undefined) continue; // not on this machine
      t.diagnostic(shell.join(" "));
      assert.deepEqual(received(args, "/a {} b", OUT, shell), expected(args, "/a {} b"));
    }
  });

  it("gives the command's own exit code, and its environment no variable more", () => {
    const [program = "", ...args] = wrapCommand(["sh", "-c", "env | cut -d= -f1 | sort; exit 7", "{}"]);
    const env = { PATH: process.env["PATH"] ?? "", SHEAF_INPUT: IN, SHEAF_OUT: OUT };
    const { status, stdout } = spawnSync(program, args, { env, encoding: "utf8" });
    assert.equal(status, 7);
    const names = stdout.split("\n").filter((name) => !["", "PWD", "OLDPWD", "SHLVL", "_"].includes(name));
    assert.deepEqual(names, ["PATH", "SHEAF_INPUT", "SHEAF_OUT"]);
  });

  it("says what is not there", () => {
    const [program = "", ...args] = wrapCommand(["no-such-program", "{}"]);
    const { status, stderr } = spawnSync(program, args, { env: { PATH: "/usr/bin:/bin" }, encoding: "utf8" });
    assert.equal(status, 127);
    assert.match(stderr, /no-such-program/);
  });
});
