import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import { SheafError } from "@sheaf/runtime";
import { checkSpec } from "./spec-check.ts";
import { withDefaults } from "./spec-defaults.ts";
import type { Place } from "./spec-place.ts";

const LOCAL: Place = { kind: "local" };
const PODS: Place = { kind: "kubernetes", allowRoot: false, workerSecret: "agents" };

const good: JsonObject = {
  pipeline: { name: "words" },
  transform: { cmd: ["sh", "-c", "true"] },
  input: { pfs: { repo: "texts", glob: "/*" } },
};

/** The good spec with parts replaced, as its author would write them. */
const spec = (parts: JsonObject = {}) => fromJson(api.PipelineSpecSchema, { ...good, ...parts });
const transform = (parts: JsonObject) => spec({ transform: { cmd: ["true"], ...parts } });
const pfs = (parts: JsonObject) => spec({ input: { pfs: { repo: "texts", glob: "/*", ...parts } } });

function refusal(check: () => void): SheafError {
  try {
    check();
  } catch (error) {
    if (error instanceof SheafError) return error;
    throw error;
  }
  return assert.fail("it was not refused");
}

const invalid: readonly [string, api.PipelineSpec | undefined, string][] = [
  ["no spec", undefined, "spec"],
  ["1 no name", spec({ pipeline: {} }), "pipeline.name"],
  ["2 a slash in the name", spec({ pipeline: { name: "a/b" } }), "pipeline.name"],
  ["2 dots", spec({ pipeline: { name: ".." } }), "pipeline.name"],
  ["2 a NUL", spec({ pipeline: { name: "a\0b" } }), "pipeline.name"],
  ["2 a newline", spec({ pipeline: { name: "a\n" } }), "pipeline.name"],
  ["2 upper case", spec({ pipeline: { name: "Words" } }), "pipeline.name"],
  ["2 64 characters", spec({ pipeline: { name: "a".repeat(64) } }), "pipeline.name"],
  ["2 a homoglyph", spec({ pipeline: { name: "wоrds" } }), "pipeline.name"],
  ["2 right-to-left override", spec({ pipeline: { name: "a‮b" } }), "pipeline.name"],
  ["another project", spec({ pipeline: { name: "words", project: "p" } }), "pipeline.project"],
  ["a long description", spec({ description: "x".repeat(4_097) }), "description"],
  ["5 no workers", spec({ parallelismSpec: { constant: "0" } }), "parallelism_spec.constant"],
  ["5 neither kind", spec({ parallelismSpec: {} }), "parallelism_spec.constant"],
  ["5 1e9 workers", spec({ parallelismSpec: { constant: "1000000000" } }), "parallelism_spec.constant"],
  ["5 2^53+1 workers", spec({ parallelismSpec: { constant: "9007199254740993" } }), "parallelism_spec.constant"],
  [
    "a coefficient that is no number",
    spec({ parallelismSpec: { coefficient: "NaN" } }),
    "parallelism_spec.coefficient",
  ],
  ["a coefficient below 0", spec({ parallelismSpec: { coefficient: -1 } }), "parallelism_spec.coefficient"],
  ["a coefficient without end", spec({ parallelismSpec: { coefficient: "Infinity" } }), "parallelism_spec.coefficient"],
  [
    "constant and coefficient",
    spec({ parallelismSpec: { constant: "1", coefficient: 2 } }),
    "parallelism_spec.coefficient",
  ],
  ["7 its own output", pfs({ repo: "words" }), "input.pfs.repo"],
  ["no input", spec({ input: {} }), "input.pfs"],
  ["no repo", pfs({ repo: "" }), "input.pfs.repo"],
  ["an input called out", pfs({ name: "out" }), "input.pfs.name"],
  ["a bad branch", pfs({ branch: "a b" }), "input.pfs.branch"],
  ["lazy names without content", pfs({ lazy: true, emptyFiles: true }), "input.pfs.lazy"],
  ["a limit that is no size", spec({ resourceLimits: { disk: "10 apples" } }), "resource_limits.disk"],
  ["a limit of nothing", spec({ resourceLimits: { disk: "0Gi" } }), "resource_limits.disk"],
  ["21 no glob", pfs({ glob: "" }), "input.pfs.glob"],
  ["22 an open brace", pfs({ glob: "/{a" }), "input.pfs.glob"],
  ["22 an open class", pfs({ glob: "/[a" }), "input.pfs.glob"],
  ["22 a backslash at the end", pfs({ glob: "/a\\" }), "input.pfs.glob"],
  ["23 a glob of 1,025 bytes", pfs({ glob: `/${"a".repeat(1_024)}` }), "input.pfs.glob"],
  ["23 braces without end", pfs({ glob: `/${"{a,b}".repeat(40)}` }), "input.pfs.glob"],
  ["26 a glob that climbs", pfs({ glob: "/../*" }), "input.pfs.glob"],
  ["9 no command", transform({ cmd: [] }), "transform.cmd"],
  ["9 an empty program", transform({ cmd: [""] }), "transform.cmd[0]"],
  ["9 a command of 10 MB", transform({ cmd: ["sh", "x".repeat(10_000_000)] }), "transform.cmd"],
  ["9 a NUL in the command", transform({ cmd: ["sh", "a\0b"] }), "transform.cmd[1]"],
  ["an empty err_cmd", transform({ errCmd: [""] }), "transform.err_cmd[0]"],
  ["a NUL in err_cmd", transform({ errCmd: ["sh", "a\0b"] }), "transform.err_cmd[1]"],
  ["lines for no err_cmd", transform({ errStdin: ["true"] }), "transform.err_stdin"],
  ["9 too many slots", transform({ slots: 65 }), "transform.slots"],
  ["9 memory of another unit", spec({ resourceLimits: { memory: "1gb" } }), "resource_limits.memory"],
  ["9 too little memory", spec({ resourceLimits: { memory: "1Mi" } }), "resource_limits.memory"],
  ["9 less than no cores", spec({ resourceLimits: { cpu: -1 } }), "resource_limits.cpu"],
  ["9 too few processes", spec({ resourceLimits: { pids: 2 } }), "resource_limits.pids"],
  ["10 = in a variable", transform({ env: { "A=B": "x" } }), 'transform.env["A=B"]'],
  ["10 a reserved prefix", transform({ env: { SHEAF_OUT: "x" } }), 'transform.env["SHEAF_OUT"]'],
  ["10 LD_PRELOAD", transform({ env: { LD_PRELOAD: "x" } }), 'transform.env["LD_PRELOAD"]'],
  ["10 NODE_OPTIONS", transform({ env: { NODE_OPTIONS: "x" } }), 'transform.env["NODE_OPTIONS"]'],
  ["10 a credential", transform({ env: { AWS_SECRET_ACCESS_KEY: "x" } }), 'transform.env["AWS_SECRET_ACCESS_KEY"]'],
  ["10 an input's variable", transform({ env: { texts: "x" } }), 'transform.env["texts"]'],
  ["10 an input's other variable", transform({ env: { texts_COMMIT: "x" } }), 'transform.env["texts_COMMIT"]'],
  ["an exit code of 0", transform({ acceptReturnCode: [0] }), "transform.accept_return_code[0]"],
  ["an exit code of 256", transform({ acceptReturnCode: [1, 256] }), "transform.accept_return_code[1]"],
  ["a handler and a command", spec({ transform: { cmd: ["wc"], handler: "x" } }), "transform.cmd"],
  ["a user with a space", transform({ user: "a b" }), "transform.user"],
  ["a user with two groups", transform({ user: "a:b:c" }), "transform.user"],
  ["a user that is an option", transform({ user: "--reuid=0" }), "transform.user"],
  ["a user's number that is too large", transform({ user: "4294967295" }), "transform.user"],
  ["a handler with a user", spec({ transform: { handler: "x", user: "nobody" } }), "transform.user"],
  ["a handler in batches", spec({ transform: { handler: "x", datumBatching: true } }), "transform.datum_batching"],
  [
    "a handler with a limit of memory",
    spec({ transform: { handler: "x" }, resourceLimits: { memory: "1Gi" } }),
    "resource_limits.memory",
  ],
  ["a handler of 1 MB", spec({ transform: { handler: "x".repeat(1_000_000) } }), "transform.handler"],
  ...["Bad Name", "a:b:c", "a//b", "/a", "a:", "UPPER", "a@sha256:12", "a\0", "-a", "host:port/a"].map(
    (image): [string, api.PipelineSpec, string] => [
      `11 the image ${JSON.stringify(image)}`,
      transform({ image }),
      "transform.image",
    ],
  ),
  ["12 a timeout of 0", spec({ datumTimeout: "0s" }), "datum_timeout"],
  ["12 a negative timeout", spec({ jobTimeout: "-5s" }), "job_timeout"],
  ["12 a timeout of a century", spec({ jobTimeout: "3153600000s" }), "job_timeout"],
  ["13 a million tries", spec({ datumTries: 1_000_000 }), "datum_tries"],
  ["both failure policies", spec({ failurePolicy: { maxFailed: "1", minSuccessRatio: 0.5 } }), "failure_policy"],
  ["a ratio of 1.1", spec({ failurePolicy: { minSuccessRatio: 1.1 } }), "failure_policy.min_success_ratio"],
  ["a negative ratio", spec({ failurePolicy: { minSuccessRatio: -0.1 } }), "failure_policy.min_success_ratio"],
  ["a ratio of NaN", spec({ failurePolicy: { minSuccessRatio: "NaN" } }), "failure_policy.min_success_ratio"],
  ["2^53 failures", spec({ failurePolicy: { maxFailed: "9007199254740992" } }), "failure_policy.max_failed"],
  ["a long salt", spec({ salt: "x".repeat(257) }), "salt"],
  ["a third word for what is run again", spec({ reprocessSpec: "never" }), "reprocess_spec"],
  ["a bad output branch", spec({ outputBranch: "A" }), "output_branch"],
  [
    "101 merge rules",
    spec({ merge: { rules: Array(101).fill({ glob: "/*", strategy: "MERGE_STRATEGY_SUM" }) } }),
    "merge.rules",
  ],
  ["a merge rule without a strategy", spec({ merge: { rules: [{ glob: "/*" }] } }), "merge.rules[0].strategy"],
  [
    "a merge rule with a bad glob",
    spec({ merge: { rules: [{ glob: "/{", strategy: "MERGE_STRATEGY_SUM" }] } }),
    "merge.rules[0].glob",
  ],
];

/** Each is something that an author can write, with the path that the refusal must name. */
const unimplemented: readonly [string, api.PipelineSpec][] = [
  ["transform.debug", transform({ debug: true })],
  ["input.cross", spec({ input: { cross: [{}] } })],
  ["input.union", spec({ input: { union: [{}] } })],
  ["input.join", spec({ input: { join: [{}] } })],
  ["input.group", spec({ input: { group: [{}] } })],
  ["input.cron", spec({ input: { cron: {} } })],
  ["input.pfs.join_on", pfs({ joinOn: "$1" })],
  ["input.pfs.outer_join", pfs({ outerJoin: true })],
  ["input.pfs.group_by", pfs({ groupBy: "$1" })],
  ["datum_set_spec", spec({ datumSetSpec: {} })],
  ["merge.strategy", spec({ merge: { strategy: "MERGE_STRATEGY_SORT" } })],
  ["merge.rules[0].strategy", spec({ merge: { rules: [{ glob: "/*", strategy: "MERGE_STRATEGY_COMMAND" }] } })],
];

type Asked = readonly [name: string, spec: api.PipelineSpec, field: string, only?: Place | undefined];

/** What a place is asked for: refused with this field; on one kind of place only, where that is named. */
const place: readonly Asked[] = [
  ["secrets of local workers", transform({ secrets: [{ name: "db", mountPath: "/db" }] }), "transform.secrets", LOCAL],
  [
    "local GPUs",
    spec({ resourceLimits: { gpu: { type: "nvidia.com/gpu", number: 1 } } }),
    "resource_limits.gpu",
    LOCAL,
  ],
  [
    "the worker's own secret",
    transform({ secrets: [{ name: "agents", mountPath: "/a" }] }),
    "transform.secrets[0].name",
    PODS,
  ],
  [
    "a secret of Sheaf",
    transform({ secrets: [{ name: "sheaf-worker", mountPath: "/a" }] }),
    "transform.secrets[0].name",
    PODS,
  ],
  ["a secret that goes nowhere", transform({ secrets: [{ name: "db" }] }), "transform.secrets[0].mount_path", PODS],
  ["a variable without a key", transform({ secrets: [{ name: "db", envVar: "A" }] }), "transform.secrets[0].key", PODS],
  [
    "a reserved variable",
    transform({ secrets: [{ name: "db", key: "k", envVar: "LD_PRELOAD" }] }),
    "transform.secrets[0].env_var",
    PODS,
  ],
  [
    "a key that climbs",
    transform({ secrets: [{ name: "db", key: "..", mountPath: "/a" }] }),
    "transform.secrets[0].key",
    PODS,
  ],
  ...["/", "/sheaf", "/sheaf/bin", "/pfs/x", "relative", "/a/../sheaf", "/proc", "//sheaf"].map(
    (mountPath): Asked => [
      `a secret at ${mountPath}`,
      transform({ secrets: [{ name: "db", mountPath }] }),
      "transform.secrets[0].mount_path",
      PODS,
    ],
  ),
  [
    "two secrets in one folder",
    transform({
      secrets: [
        { name: "a", mountPath: "/a" },
        { name: "b", mountPath: "/a" },
      ],
    }),
    "transform.secrets[1].mount_path",
    PODS,
  ],
  ["a handler beside credentials", spec({ transform: { handler: "x" } }), "transform.handler", PODS],
  ["a user's name", transform({ user: "nobody" }), "transform.user", PODS],
  ["root", transform({ user: "0" }), "transform.user", PODS],
  ["root with zeros", transform({ user: "00:7" }), "transform.user", PODS],
  ["processes of a pod", spec({ resourceLimits: { pids: 100 } }), "resource_limits.pids", PODS],
  ["requested processes", spec({ resourceRequests: { pids: 100 } }), "resource_requests.pids"],
  ["requested GPUs", spec({ resourceRequests: { gpu: { type: "a/b", number: 1 } } }), "resource_requests.gpu"],
  ["no GPUs", spec({ resourceLimits: { gpu: { type: "a.b/c", number: 0 } } }), "resource_limits.gpu.number", PODS],
  ["a GPU of no kind", spec({ resourceLimits: { gpu: { type: "cpu", number: 1 } } }), "resource_limits.gpu.type", PODS],
  [
    "a request above its limit",
    spec({ resourceRequests: { memory: "2Gi" }, resourceLimits: { memory: "1Gi" } }),
    "resource_requests.memory",
  ],
  ["sidecar memory of no size", spec({ sidecarResourceLimits: { memory: "lots" } }), "sidecar_resource_limits.memory"],
  [
    "a system's priority",
    spec({ schedulingSpec: { priorityClassName: "system-node-critical" } }),
    "scheduling_spec.priority_class_name",
  ],
  [
    "a node label that is none",
    spec({ schedulingSpec: { nodeSelector: { "a b": "c" } } }),
    'scheduling_spec.node_selector["a b"]',
  ],
  [
    "a toleration of another operator",
    spec({ tolerations: [{ key: "a", operator: "In" }] }),
    "tolerations[0].operator",
  ],
  ["a toleration of nothing", spec({ tolerations: [{}] }), "tolerations[0].key"],
  ["33 tolerations", spec({ tolerations: Array(33).fill({ key: "a" }) }), "tolerations"],
  ["our labels", spec({ metadata: { labels: { "sheaf.dev/worker": "x" } } }), 'metadata.labels["sheaf.dev/worker"]'],
  [
    "an annotation that loosens security",
    spec({ metadata: { annotations: { "container.apparmor.security.beta.kubernetes.io/agent": "unconfined" } } }),
    'metadata.annotations["container.apparmor.security.beta.kubernetes.io/agent"]',
  ],
];

describe("checkSpec()", () => {
  it("takes a spec with everything that is implemented", () => {
    const rich = spec({
      description: "counts words",
      transform: {
        cmd: ["wc"],
        stdin: ["a"],
        env: { HOME: "/", LANG: "C" },
        acceptReturnCode: [1, 255],
        image: "alpine",
        workingDir: "/tmp",
        datumBatching: true,
      },
      parallelismSpec: { constant: "10000" },
      autoscaling: true,
      merge: { strategy: "MERGE_STRATEGY_EXCLUSIVE", rules: [{ glob: "/**", strategy: "MERGE_STRATEGY_SUM" }] },
      outputBranch: "results",
      datumTries: 100,
      datumTimeout: "0.001s",
      jobTimeout: "3600s",
      salt: "1",
    });
    checkSpec(rich, LOCAL);
  });

  for (const [name, given, field] of invalid) {
    it(`refuses ${name}`, () => {
      const error = refusal(() => checkSpec(given, LOCAL));
      assert.equal(error.code, "INVALID_ARGUMENT");
      assert.deepEqual(
        error.details.map((each) => each.field),
        [field],
        error.message,
      );
      assert.ok(error.message.length < 2_000, "a message that shows the value shortened");
      assert.match(error.message, /^[\x20-\x7e]*$/, "nothing that a terminal would act upon");
    });
  }

  for (const [name, given, field, only] of place) {
    it(`refuses ${name}`, () => {
      for (const each of only === undefined ? [LOCAL, PODS] : [only]) {
        const error = refusal(() => checkSpec(given, each));
        assert.equal(error.code, "INVALID_ARGUMENT");
        assert.deepEqual(
          error.details.map((detail) => detail.field),
          [field],
          error.message,
        );
      }
    });
  }

  it("says of no number of workers what is true of a coefficient of 0 as well", () => {
    for (const parallelismSpec of [{}, { constant: "0" }, { coefficient: 0 }]) {
      const { message } = refusal(() => checkSpec(spec({ parallelismSpec }), LOCAL));
      assert.match(message, /constant: is 0 or not given: use 1 to 10000, or a coefficient above 0$/);
    }
  });

  it("takes what a pod can be asked for", () => {
    const rich = spec({
      transform: {
        cmd: ["wc"],
        image: "python:3",
        imagePullSecrets: ["registry"],
        secrets: [{ name: "db", key: "password", mountPath: "/etc/db", envVar: "PASSWORD" }],
        user: "1000:1000",
      },
      resourceRequests: { cpu: 0.5, memory: "1Gi", disk: "1Gi" },
      resourceLimits: { cpu: 2, memory: "2Gi", disk: "10Gi", gpu: { type: "nvidia.com/gpu", number: 1 } },
      sidecarResourceRequests: { cpu: 0.1, memory: "200Mi" },
      sidecarResourceLimits: { memory: "1Gi" },
      schedulingSpec: { nodeSelector: { "topology.kubernetes.io/zone": "a" }, priorityClassName: "batch" },
      tolerations: [{ key: "gpu", operator: "Exists", effect: "NoExecute", tolerationSeconds: 5 }],
      metadata: { labels: { team: "a" }, annotations: { "example.org/note": "any text at all" } },
    });
    checkSpec(rich, PODS);
    checkSpec(transform({ user: "0" }), { ...PODS, allowRoot: true });
    // Without what local workers refuse, they ignore the rest.
    checkSpec(
      spec({
        ...(toJson(api.PipelineSpecSchema, rich) as JsonObject),
        transform: { cmd: ["wc"], image: "python:3", imagePullSecrets: ["registry"] },
        resourceLimits: {},
      }),
      LOCAL,
    );
  });

  for (const [field, given] of unimplemented) {
    it(`refuses ${field} as not implemented`, () => {
      const error = refusal(() => checkSpec(given, LOCAL));
      assert.equal(error.code, "UNIMPLEMENTED");
      assert.deepEqual(
        error.details.map((each) => each.field),
        [field],
      );
    });
  }

  it("names all that is wrong at once", () => {
    const error = refusal(() => checkSpec(create(api.PipelineSpecSchema, { datumTries: 101 }), LOCAL));
    assert.deepEqual(
      error.details.map((each) => each.field),
      ["pipeline.name", "transform.cmd", "input.pfs", "datum_tries"],
    );
  });

  it("shows a glob that cannot be read, and where, in one line", () => {
    assert.throws(() => checkSpec(pfs({ glob: "//a" }), LOCAL), {
      message:
        /input\.pfs\.glob: is "\/\/a": cannot read the glob: it has an empty part \("\/\/"\) \(at character 1\)$/,
    });
  });

  it("refuses an unknown strategy of a newer contract", () => {
    const given = spec();
    given.merge = create(api.MergeSpecSchema, { strategy: 99 as api.MergeStrategy });
    assert.deepEqual(
      refusal(() => checkSpec(given, LOCAL)).details.map((each) => each.field),
      ["merge.strategy"],
    );
  });
});

describe("names of images", () => {
  for (const image of [
    "alpine",
    "python:3",
    "no/such:1",
    "localhost:5000/a/b_c:v1.2-x",
    "registry.k8s.io/pause",
    "127.0.0.1:5000/a",
    `ghcr.io/x/y:latest@sha256:${"0a".repeat(32)}`,
    `a@sha512:${"f".repeat(128)}`,
  ])
    it(`11 takes ${image.slice(0, 60)}`, () => checkSpec(transform({ image }), LOCAL));
});

describe("withDefaults()", () => {
  it("writes out what was left out, and keeps what was given", () => {
    const filled = withDefaults(spec(), 3);
    assert.equal(filled.parallelismSpec?.constant, 3n);
    assert.equal(filled.merge?.strategy, api.MergeStrategy.CONCAT);
    assert.equal(filled.outputBranch, "master");
    assert.equal(filled.datumTries, 3);
    assert.deepEqual([filled.input?.pfs?.name, filled.input?.pfs?.branch], ["texts", "master"]);
    const given = withDefaults(pfs({ name: "in", branch: "dev" }), 3);
    assert.deepEqual([given.input?.pfs?.name, given.input?.pfs?.branch], ["in", "dev"]);
  });

  it("knows standby as another word for autoscaling", () => {
    const { autoscaling, standby } = withDefaults(spec({ standby: true }), 1);
    assert.deepEqual([autoscaling, standby], [true, false]);
    assert.equal(withDefaults(spec({ autoscaling: true }), 1).autoscaling, true);
    assert.equal(withDefaults(spec(), 1).autoscaling, false);
  });

  it("leaves a coefficient alone", () => {
    const { constant, coefficient } =
      withDefaults(spec({ parallelismSpec: { coefficient: 0.5 } }), 3).parallelismSpec ?? {};
    assert.deepEqual([constant, coefficient], [0n, 0.5]);
    checkSpec(spec({ parallelismSpec: { coefficient: 0.5 } }), LOCAL);
  });

  it("leaves the request as it is", () => {
    const given = spec();
    withDefaults(given, 3);
    assert.equal(given.datumTries, 0);
  });
});
