// The first lines of each client's README, run as they stand; and the stubs that are in the tree, compared with what the contract gives.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect } from "@sheaf/client";
import { TestCluster } from "../kit/cluster.ts";
import { cannotRun, commandOf, LANGUAGES, type Language } from "./driver.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const CLIENTS = join(ROOT, "libs", "clients");
const SAMPLES: Record<Language, { sample: string; readme: string }> = {
  typescript: {
    sample: join(ROOT, "libs", "client", "samples", "first.ts"),
    readme: join(ROOT, "libs", "client", "README.md"),
  },
  python: { sample: join(CLIENTS, "python", "samples", "first.py"), readme: join(CLIENTS, "python", "README.md") },
  go: { sample: join(CLIENTS, "go", "samples", "first", "main.go"), readme: join(CLIENTS, "go", "README.md") },
  java: { sample: join(CLIENTS, "java", "samples", "First.java"), readme: join(CLIENTS, "java", "README.md") },
};
const PIPELINE = `
pipeline: { name: status-codes }
input: { pfs: { repo: logs, glob: "/**/*.log" } }
transform:
  cmd: [sh]
  stdin:
    - cut -d" " -f9 "$SHEAF_INPUT" | sort | uniq -c | awk '{print $2 "\\t" $1}' > "$SHEAF_OUT/status"
merge: { strategy: sum }
autoscaling: true
`;

let cluster: TestCluster;
let root: string;

before(async () => {
  root = mkdtempSync(join(tmpdir(), "sheaf-samples-"));
  cluster = await TestCluster.start();
});
after(async () => {
  await cluster?.stop();
  rmSync(root, { recursive: true, force: true });
});

function runIn(cwd: string, language: Language, sample: string) {
  const { command, env } = commandOf(language, sample);
  const [program = "", ...args] = language === "go" ? [buildGo(sample)] : command;
  return spawnSync(program, args, { cwd, env: { ...env, SHEAF_ADDRESS: cluster.address }, encoding: "utf8" });
}

function buildGo(sample: string): string {
  const program = join(root, "first-go");
  const built = spawnSync("go", ["build", "-o", program, sample], {
    cwd: join(CLIENTS, "go"),
    env: { ...process.env, GOTOOLCHAIN: "local", GOWORK: "off" },
    encoding: "utf8",
  });
  assert.equal(built.status, 0, built.stderr);
  return program;
}

describe("the first lines of each README", () => {
  for (const language of LANGUAGES)
    test(language, { skip: cannotRun(language) ?? false }, async () => {
      const { sample, readme } = SAMPLES[language];
      assert.ok(readFileSync(readme, "utf8").includes(readFileSync(sample, "utf8")), `${readme} shows ${sample}`);
      const folder = join(root, language);
      mkdirSync(join(folder, "logs"), { recursive: true });
      writeFileSync(join(folder, "logs", "a.log"), "a b c d e f g h 200\na b c d e f g h 404\n");
      writeFileSync(join(folder, "logs", "b.log"), "a b c d e f g h 200\n");
      writeFileSync(join(folder, "pipeline.yaml"), PIPELINE);
      const ended = runIn(folder, language, sample);
      assert.equal(ended.status, 0, ended.stdout + ended.stderr);
      assert.match(ended.stdout, /succeeded/i);
      assert.match(ended.stdout, /\/a\.log[\s\S]*\/b\.log/);
      assert.equal(readFileSync(join(folder, "out", "status"), "utf8"), "200\t2\n404\t1\n");
      const client = connect(cluster.address);
      await client.rpc.pipeline.deletePipeline({ name: "status-codes" });
      await client.rpc.repo.deleteRepo({ name: "logs" });
      client.close();
    });
});

test("the stubs are what the contract gives", { skip: cannotRun("python") ?? cannotRun("go") ?? false }, () => {
  const fresh = join(root, "generated");
  const program = join(ROOT, "deploy", "local", "clients", "generate.js");
  const made = spawnSync(process.execPath, [program, fresh], { encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  const folders = [join("libs", "clients", "python", "sheaf", "api", "v1"), join("libs", "clients", "go", "api", "v1")];
  const read = (folder: string) =>
    new Map(
      readdirSync(folder)
        .filter((name) => /_pb2(_grpc)?\.pyi?$|\.pb\.go$/.test(name))
        .sort()
        .map((name) => [name, readFileSync(join(folder, name), "utf8")]),
    );
  for (const folder of folders) {
    const [ours, theirs] = [read(join(ROOT, folder)), read(join(fresh, folder))];
    const stale = [...new Set([...ours.keys(), ...theirs.keys()])].filter(
      (name) => ours.get(name) !== theirs.get(name),
    );
    assert.deepEqual(stale, [], `stale in ${folder}: run \`npm run generate:clients\``);
  }
});
