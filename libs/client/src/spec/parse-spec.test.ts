import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, equals, toJson } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import type { SheafError } from "@sheaf/runtime";
import { parseSpec } from "./parse-spec.ts";
import { specYaml } from "./spec-yaml.ts";

const EXAMPLE = `
pipeline: { name: status-codes }
input: { pfs: { repo: logs, glob: "/**/*.log" } }
parallelism_spec: { constant: 4 }
transform:
  cmd: [sh]
  stdin:
    - cut -d" " -f9 "$SHEAF_INPUT" | sort | uniq -c | awk '{print $2 "\\t" $1}' > "$SHEAF_OUT/status"
merge: { strategy: sum }
`;

const parse = (text: string) => parseSpec(text, "p.yaml");

/** Everything that is said about the file. */
function problems(text: string): string[] {
  try {
    parse(text);
  } catch (thrown) {
    const error = thrown as SheafError;
    assert.equal(error.code, "INVALID_ARGUMENT", error.stack);
    const found = error.details.map(({ field, description }) => `${field}: ${description}`);
    return found.length > 0 ? found : [error.message];
  }
  return [];
}

describe("parseSpec", () => {
  it("reads the README's example", () => {
    const spec = parse(EXAMPLE);
    const wanted = create(api.PipelineSpecSchema, {
      pipeline: { name: "status-codes" },
      input: { pfs: { repo: "logs", glob: "/**/*.log" } },
      parallelismSpec: { constant: 4n },
      transform: {
        cmd: ["sh"],
        stdin: [`cut -d" " -f9 "$SHEAF_INPUT" | sort | uniq -c | awk '{print $2 "\\t" $1}' > "$SHEAF_OUT/status"`],
      },
      merge: { strategy: api.MergeStrategy.SUM },
    });
    assert.ok(equals(api.PipelineSpecSchema, spec, wanted));
  });

  it("reads JSON, comments, anchors, maps, durations and every kind of number", () => {
    const spec = parse(`
      # a comment
      { "pipeline": {"name": "p"}, "transform": {"cmd": &cmd ["a", ""], "err_cmd": *cmd, "env": {"A": "1", "B": ""}, "accept_return_code": [1, 255]},
        "datum_timeout": "1m30s", "job_timeout": "1.5s", "datum_tries": 5, "autoscaling": true,
        "parallelism_spec": {"constant": 9007199254740993, "coefficient": 2},
        "failure_policy": {"min_success_ratio": 0.5},
        "merge": {"strategy": "concat", "rules": [{"glob": "/*", "strategy": "exclusive"}]},
        "input": {"cross": [{"pfs": {"repo": "a"}}, {"pfs": {"repo": "b"}}]} }`);
    assert.equal(spec.parallelismSpec?.constant, 9007199254740993n);
    assert.equal(spec.parallelismSpec?.coefficient, 2);
    assert.deepEqual(spec.transform?.errCmd, ["a", ""]);
    assert.deepEqual({ ...spec.transform?.env }, { A: "1", B: "" });
    assert.deepEqual([spec.datumTimeout?.seconds, spec.jobTimeout?.nanos], [90n, 500_000_000]);
    assert.equal(spec.merge?.rules[0]?.strategy, api.MergeStrategy.EXCLUSIVE);
    assert.equal(spec.input?.cross.length, 2);
    assert.equal(spec.failurePolicy?.minSuccessRatio, 0.5);
  });

  it("reads what specYaml writes", () => {
    const spec = parse(`${EXAMPLE}datum_timeout: 10s\nfailure_policy: { max_failed: 3 }\nsalt: "8"\n`);
    spec.transform = create(api.TransformSchema, { cmd: ["x"], env: { A: "true", B: "1" }, acceptReturnCode: [3] });
    assert.ok(equals(api.PipelineSpecSchema, parse(specYaml(spec)), spec));
  });

  it("reads what --json shows", () => {
    const spec = parse(`${EXAMPLE}datum_timeout: 10s\nfailure_policy: { max_failed: 3 }\nautoscaling: true\n`);
    const shown = JSON.stringify(toJson(api.PipelineSpecSchema, spec));
    assert.match(shown, /"parallelismSpec":\{"constant":"4"\}.*"MERGE_STRATEGY_SUM"/);
    assert.ok(equals(api.PipelineSpecSchema, parse(shown), spec));
  });

  const wrong: readonly (readonly [string, string])[] = [
    // Unknown fields, with their place and the nearest name.
    [
      "paralelism_spec: {constant: 1}",
      'p.yaml:1:1: unknown field "paralelism_spec" (did you mean "parallelism_spec"?)',
    ],
    ["a: 1\ntransform:\n  comd: [x]", 'p.yaml:3:3: unknown field "comd" (did you mean "cmd"?)'],
    ["input:\n  pfs: {repo: a, globb: /}", 'p.yaml:2:18: unknown field "globb" (did you mean "glob"?)'],
    ["parallelSpec: {}", 'unknown field "parallelSpec" (did you mean "parallelism_spec"?)'],
    ["datum_tries: 1\ndatumTries: 2", "p.yaml:2:1: datum_tries is given twice"],
    ["merge: {strategie: sum}", 'unknown field "strategie" (did you mean "strategy"?)'],
    ["pipeline: {zzzzzzzz: 1}", 'unknown field "zzzzzzzz"; PipelineRef has name, project'],
    ["<<: {pipeline: {name: x}}", 'unknown field "<<"'],
    ["__proto__: {x: 1}", 'p.yaml:1:1: unknown field "__proto__"'],
    ["constructor: 1", 'unknown field "constructor"'],
    ["transform: {env: {__proto__: a}}", '1:19: env: "__proto__" cannot be a name here'],
    ['transform: {env: {"constructor": a}}', 'env: "constructor" cannot be a name here'],
    // Wrong types.
    ["datum_tries: three", 'p.yaml:1:14: datum_tries: expected a whole number, found the text "three"'],
    ["datum_tries: 1.5", "expected a whole number, found the number 1.5"],
    ["datum_tries: -1", "datum_tries: -1 is out of range: use 0 to 4294967295"],
    ["datum_tries: 4294967296", "is out of range"],
    ['datum_tries: "3"', 'expected a whole number, found the text "3"'],
    ["parallelism_spec: {constant: 1e9}", "expected a whole number, found the number 1000000000"],
    ["parallelism_spec: {constant: .nan}", "expected a whole number, found the number NaN"],
    ["parallelism_spec: {constant: 18446744073709551616}", "is out of range"],
    ["parallelism_spec: {coefficient: .inf}", "coefficient: expected a number, found the number Infinity"],
    ["parallelism_spec: 4", "expected the fields of ParallelismSpec, found the number 4"],
    ["transform: {cmd: sh}", '1:18: cmd: expected a list, found the text "sh"'],
    ["transform: {cmd: [head, -n, 5]}", 'cmd: expected text, found the number 5: put it in quotes, "5"'],
    ["transform: {cmd: [[a]]}", "cmd: expected text, found a list"],
    ["transform: {env: [a]}", "env: expected names with values, found a list"],
    ["transform: {env: {A: 1}}", 'env.A: expected text, found the number 1: put it in quotes, "1"'],
    ["transform: {env: {A: yes, B: true}}", "env.B: expected text, found true"],
    ["transform: [a]", "expected the fields of Transform, found a list"],
    ["autoscaling: 1", "autoscaling: expected true or false, found the number 1"],
    ["description: {a: b}", "description: expected text, found fields"],
    ["datum_timeout: 10", 'datum_timeout: the number 10 is not a duration: use text with a unit, like "10s"'],
    ["datum_timeout: 90000000000000h", 'datum_timeout: the text "90000000000000h" is too long a duration: use at most'],
    ["datum_timeout: 10 seconds", 'datum_timeout: the text "10 seconds" is not a duration'],
    [
      "merge: {strategy: summ}",
      'the text "summ" is not known (did you mean "sum"?): use one of concat, exclusive, sort, sum, command',
    ],
    ["merge: {strategy: 4}", "strategy: the number 4 is not known: use one of concat"],
    ["merge: {strategy: unspecified}", "is not known"],
    // Nothing, and things that are no pipeline.
    ["", "p.yaml:1:1: is empty"],
    ["# only a comment\n", "is empty"],
    ["transform:\ninput: {}", "p.yaml:1:1: transform has no value"],
    ["transform: {cmd: [a, ]}\nsalt: ~", "p.yaml:2:1: salt has no value"],
    ["- a\n- b", "p.yaml:1:1: expected the fields of PipelineSpec, found a list"],
    ["hello", "expected the fields of PipelineSpec, found the text"],
    ["? [a]\n: b", "expected the name of a field, found a list"],
    ["1: b", "expected the name of a field, found the number 1"],
    // YAML itself.
    ["a: b\nc: [d\n", "p.yaml:"],
    ["pipeline: {name: a}\npipeline: {name: b}", "p.yaml:2:1: Map keys must be unique"],
    ["pipeline: {name: a}\n---\npipeline: {name: b}", "multiple documents"],
    ["salt: *nowhere", "p.yaml:1:7:"],
    ["salt: !!binary aGVsbG8=", "salt: expected text"],
    ["salt: !custom x", "p.yaml:1:7:"],
    ["\tsalt: x", "p.yaml:1:"],
  ];
  for (const [text, message] of wrong) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      const found = problems(text);
      assert.ok(
        found.some((line) => line.includes(message)),
        `none of these says ${message}:\n${found.join("\n")}`,
      );
    });
  }

  it("names everything that is wrong at once, but no more than anybody reads", () => {
    assert.equal(problems("a: 1\nb: 2\ndatum_tries: x").length, 3);
    const many = Array.from({ length: 50 }, (_, i) => `x${i}: 1`).join("\n");
    assert.equal(problems(many).length, 10);
    assert.throws(() => parse(many), /and 49 more problems/);
  });

  it("refuses bombs: aliases of aliases, depth, size", () => {
    const layers = Array.from(
      { length: 12 },
      (_, i) => `  b${i + 1}: &b${i + 1} [${"*b0, ".replace("0", String(i)).repeat(9)}]`,
    );
    assert.match(
      problems(`description: &b0 x\n${layers.map((line) => line.trim()).join("\n")}`).join(),
      /unknown field|aliases/,
    );
    const deep = `input: ${"{cross: [".repeat(40)}${"]}".repeat(40)}`;
    assert.doesNotThrow(() => parse(deep));
    assert.ok(problems(`salt: ${"[".repeat(200_000)}`).length > 0);
    assert.match(problems(`salt: ${"x".repeat(1024 * 1024)}`).join(), /at most 1048576/);
    const aliases = `transform: {cmd: [&a x${", *a".repeat(200)}]}`;
    assert.match(problems(aliases).join(), /more than 100 aliases/);
    const loop = "input: &loop {cross: [*loop]}";
    assert.match(problems(loop).join(), /aliases|anchor/);
  });

  it("does not change what all objects have", () => {
    problems('{"__proto__": {"polluted": 1}, "transform": {"env": {"__proto__": "x"}}}');
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  });
});
