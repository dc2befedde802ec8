/** How the program is called, what it says when it is called wrongly, and its exit codes. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { catalogue } from "./catalogue.ts";
import { Stage } from "./testing/stage.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage[Symbol.asyncDispose]());

describe("as a process", () => {
  const cases: readonly (readonly [string[], number, RegExp])[] = [
    [["--version"], 0, /^\d+\.\d+\.\d+\n$/],
    [["--help"], 0, /^Usage: sheaf/],
    [["rnu"], 2, /Did you mean run\?/],
    [["repo", "list"], 2, /^sheaf: no cluster is named/],
    [["repo", "list", "--address", "127.0.0.1:1"], 3, /^sheaf: cannot reach 127\.0\.0\.1:1/],
  ];
  for (const [args, wanted, text] of cases) {
    it(`exit code ${wanted}: sheaf ${args.join(" ")}`, async () => {
      const { code, stdout, stderr } = await stage.start(args).ended;
      assert.equal(code, wanted);
      assert.match(code === 0 ? stdout : stderr, text);
    });
  }
});

describe("output that nobody can take", () => {
  /** The exit code and what it says, of the program with its output as the shell directs it. */
  const inShell = (directed: string) => {
    const script = `"$NODE" "$MAIN" ${directed}`;
    const env = { ...process.env, NODE: process.execPath, MAIN };
    const { status, stderr } = spawnSync("bash", ["-c", script], { env, encoding: "utf8", cwd: stage.dir });
    return [status, stderr];
  };
  const full = [1, "sheaf: cannot write to standard output: the disk is full\n"];

  it("exit code 1 and why, on a disk that is full; 0 when there was nothing to write", () => {
    assert.deepEqual(inShell("--help >/dev/full"), full);
    assert.deepEqual(inShell("token create --name ci --role viewer >/dev/full"), full);
    assert.deepEqual(inShell("certificates c >/dev/full 2>/dev/null"), [0, ""]);
  });

  it("the exit code of a program that SIGPIPE ended, without a word, when nobody reads", () => {
    assert.deepEqual(inShell("--help | true; exit $PIPESTATUS"), [141, ""]);
  });
});

describe("a pipeline file on standard input", () => {
  const start = () => spawn(process.execPath, [MAIN, "pipeline", "create", "-f", "-", "--address", "127.0.0.1:1"]);

  it("may come late, as from a terminal", async () => {
    const child = start();
    setTimeout(() => child.stdin.end("pipeline: {name: p}\ntrasform: {}\n"), 1_500);
    let said = "";
    child.stderr.on("data", (text) => {
      said += text;
    });
    const [code] = await once(child, "close");
    assert.deepEqual([code, /standard input:2:1: unknown field "trasform"/.test(said)], [2, true], said);
  });

  it("may never come: Ctrl-C is heard", async () => {
    const child = start();
    setTimeout(() => child.kill("SIGINT"), 2_000);
    const kill = setTimeout(() => child.kill("SIGKILL"), 10_000);
    assert.deepEqual(await once(child, "close"), [130, null]);
    clearTimeout(kill);
  });
});

describe("help and usage", () => {
  it("shows help with an example for every command and verb, exit code 0", async () => {
    const top = await stage.call("--help");
    assert.equal(top.code, 0);
    for (const { name } of catalogue) {
      assert.match(top.stdout, new RegExp(`^  ${name} `, "m"));
      const { code, stdout } = await stage.call(name, "--help");
      assert.equal(code, 0);
      assert.match(stdout, /Examples?:/);
      for (const [, verb = ""] of stdout.split("Commands:")[1]?.matchAll(/^ {2}([a-z]+) /gm) ?? []) {
        const help = await stage.call(name, verb, "--help");
        assert.equal(help.code, 0, `${name} ${verb}`);
        assert.match(help.stdout, /Examples?:\n {2}sheaf /, `${name} ${verb}`);
        assert.match(help.stdout, /--json/);
        assert.deepEqual(await stage.call("help", name, verb), help);
      }
    }
  });

  it("lays the text of help out by the width alone", async () => {
    const calls = ["run", "job wait", "datum logs", "datum restart", "worker drain"];
    for (const words of calls) {
      const { stdout } = await stage.call(...words.split(" "), "--help");
      const lines = stdout.split("\n\n")[1]?.split("\n") ?? [];
      for (const [i, line] of lines.slice(0, -1).entries()) {
        const [word = ""] = lines[i + 1]?.split(" ") ?? [];
        assert.ok(`${line} ${word}`.length > 80, `${words}: "${line}" ends before "${word}"`);
      }
    }
  });

  it("shows all exit codes of the README", async () => {
    const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
    const [said = ""] = /Exit codes are [^.]*/.exec(readme) ?? [];
    const codes = [...said.matchAll(/\d+/g)].map(([code]) => code);
    const { stdout } = await stage.call("--help");
    const [shown = ""] = /Exit codes: .*/.exec(stdout) ?? [];
    assert.deepEqual(
      [...shown.matchAll(/\d+/g)].map(([code]) => code),
      codes,
    );
    assert.ok(codes.includes("141"));
  });

  it("takes no address for a name of a command", async () => {
    const { code, stderr } = await stage.call("--address", "run", "repo", "list");
    assert.equal(code, 2);
    assert.match(stderr, /"run" is not an address/);
  });

  const usage: readonly (readonly [string[], RegExp])[] = [
    [[], /Usage: sheaf/],
    [["rnu"], /unknown command 'rnu'\n\(Did you mean run\?\)/],
    [["repo"], /Usage: sheaf repo/],
    [["help", "rnu"], /unknown command 'rnu'/],
    [["help", "repo", "creat"], /unknown command 'creat'/],
    [["dev", "--address", "127.0.0.1:7450"], /unknown option '--address'/],
    [["certificates", "c", "--host", ""], /'--host <host\.\.\.>' argument '' is invalid/],
    [
      ["certificates", "c", "--host", "bad host"],
      /argument 'bad host' is invalid\. It must be the name or the address/,
    ],
    [
      ["certificates", "c", "--host", "example.com", "https://example.com"],
      /argument 'https:\/\/example\.com' is invalid/,
    ],
    [["certificates", "c", "--host", "example.com:7450"], /without https:\/\/ and port/],
    [["certificates", "c", "--etcd-host", "10.0.7"], /argument '10\.0\.7' is invalid/],
    // Services refuse such a name, so that its certificates would be of no use.
    [
      ["certificates", "c", "--cluster", "West_1"],
      /argument 'West_1' is invalid\. It is no name: use 1 to 63 lower-case/,
    ],
    [
      ["certificates", "c", "--kubernetes-secrets", "Blue"],
      /argument 'Blue' is invalid\. It is no name: use 1 to 63 lower-case/,
    ],
    [["repo", "creat", "x"], /Did you mean create\?/],
    [["repo", "list", "--jsn"], /unknown option '--jsn'\n\(Did you mean --json\?\)/],
    [["repo", "create"], /missing required argument 'name'/],
    [["repo", "create", "a", "b"], /too many arguments/],
    [["run", "-i", ".", "-o", "out"], /what is to be run\? Give a command after --, or a module with --handler/],
    [["run", "-i", ".", "-o", "out", "--handler", "a.ts", "--", "true"], /give --handler alone/],
    [["run", "-i", ".", "-o", "out", "--handler", "a.ts", "--batch"], /give --handler alone/],
    [["run", "-i", ".", "-o", "out", "--handler", "a.ts"], /the handler ".*a\.ts" does not exist/],
    [["run", "-i", ".", "-o", "out", "--handler", "a.py"], /is no module: its name ends in \.ts, \.js/],
    [["run", "-i", ".", "-o", "out", "--batch", "--", "wc", "{}"], /with --batch "\{\}" stands for nothing/],
    [["run", "-i", "in", "--", "true"], /required option '-o, --output <dir>' not specified/],
    [["run", "-i", "in", "-o", "out", "-w", "0", "--", "true"], /It must be a whole number from 1 to 10000/],
    [["run", "-i", "in", "-o", "out", "--merge", "summ", "--", "true"], /Allowed choices are concat, exclusive, sum/],
    [["run", "-i", "missing", "-o", "out", "--", "true"], /the input folder ".*missing" does not exist: check -i/],
    [["run", "-i", "file", "-o", "out", "--", "true"], /is not a folder/],
    [["run", "-i", ".", "-o", ".", "--", "true"], /is not empty: give an empty or a new one/],
    [["run", "-i", ".", "-o", "file", "--", "true"], /the output folder ".*file" cannot be used/],
    [["repo", "list"], /no cluster is named: set SHEAF_ADDRESS or give --address; `sheaf dev`/],
    [["repo", "list", "--address", "nonsense"], /"nonsense" is not an address: use host:port/],
    [["file", "put", "logs@a@b", "x"], /"logs@a@b" does not name a file/],
    [["file", "put", "logs@master"], /give either files, or a folder with -r/],
    [["pipeline", "create", "-f", "missing.yaml"], /there is no pipeline file ".*missing.yaml"/],
    [
      ["pipeline", "create", "-f", "bad.yaml"],
      /bad\.yaml:2:1: unknown field "trasform" \(did you mean "transform"\?\)\n {2}bad\.yaml:3:14: datum_tries/,
    ],
    [["job", "wait", "p", "--timeout", "soon"], /It is not a duration/],
    [["job", "wait", "p", "--timeout", "0s"], /It must be more than 0/],
    [["file", "put", "logs@master", "-r", ""], /^sheaf: --recursive is empty: give it a value, or leave it out/],
    [["file", "put", "logs@master", ""], /^sheaf: the name of one of the files is empty/],
    [["file", "get", "logs@master:/", "-o", ""], /--output is empty/],
    [["run", "-i", "", "-o", "out", "--", "true"], /--input is empty/],
    [["run", "-i", ".", "-o", "", "--", "true"], /--output is empty/],
    [["--address", "", "repo", "list"], /--address is empty/],
    [["pipeline", "update", "-f", "bad.yaml", "--etag", ""], /--etag is empty/],
    [["job", "wait", "p", ""], /<job> is empty/],
    [["certificates", ""], /<dir> is empty/],
    [["job", "list", "--state", "fail"], /Allowed choices are/],
  ];
  for (const [args, message] of usage) {
    it(`exit code 2: sheaf ${args.join(" ")}`, async () => {
      writeFileSync(join(stage.dir, "file"), "");
      writeFileSync(join(stage.dir, "bad.yaml"), "pipeline: {name: x}\ntrasform: {}\ndatum_tries: many\n");
      const before = readdirSync(stage.dir);
      const { code, stdout, stderr } = await stage.call(...args);
      assert.match(stderr, message);
      assert.deepEqual([code, stdout], [2, ""]);
      assert.doesNotMatch(stderr, /at .*\.ts:\d+/);
      assert.deepEqual(readdirSync(stage.dir), before);
    });
  }

  it("exit code 3, with the address and what to check, when nobody is there", async () => {
    const { code, stderr } = await stage.call("cluster", "inspect", "--address", "127.0.0.1:1");
    assert.equal(code, 3);
    assert.match(
      stderr,
      /cannot reach 127\.0\.0\.1:1 \(connection refused.*check that the service runs.*\n.*`sheaf dev` starts a cluster/,
    );
  });

  it("says that what answers is no master, when it knows nothing of Sheaf", async () => {
    const other = createServer().on("stream", (stream) => {
      const status = { "grpc-status": "12", "grpc-message": "unknown service sheaf.api.v1.ClusterService" };
      stream.respond({ ":status": 200, "content-type": "application/grpc", ...status }, { endStream: true });
    });
    await once(other.listen(0, "127.0.0.1"), "listening");
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { code, stderr } = await stage.call("cluster", "inspect", "--address", address);
    other.close();
    assert.equal(code, 1);
    assert.match(
      stderr,
      /unknown service .*\n {2}what answers there is no master of Sheaf: SHEAF_ADDRESS or --address/,
    );
  });

  it("tells the stack only when it is asked to", async () => {
    const { stderr } = await stage.start(["repo", "list"], { SHEAF_LOG_LEVEL: "debug" }).ended;
    assert.match(stderr, /INVALID_ARGUMENT NO_ADDRESS[\s\S]*at .*\.ts:\d+/);
  });
});
