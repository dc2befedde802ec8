// Requests that a user may get wrong, and what each is answered: rows of reference tables of bad inputs, by their number. Data only; both
// protocols are tried with each.

import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

export interface BadRequest {
  readonly what: string;
  readonly rpc: string;
  readonly request: JsonObject;
  readonly code: string;
  readonly reason: string;
  /** Field that is named first; absent: none is. */
  readonly field?: string;
}

/** A spec that is good, with these changes. */
function spec(changes: JsonObject = {}): JsonObject {
  const good = {
    pipeline: { name: "new" },
    transform: { cmd: ["true"] },
    input: { pfs: { repo: "in", glob: "/*" } },
  };
  return { ...good, ...changes };
}

const create = (changes: JsonObject): JsonObject => ({ spec: spec(changes) });
const transform = (changes: JsonObject): JsonObject => create({ transform: { cmd: ["true"], ...changes } });
const pfs = (changes: JsonObject): JsonObject => create({ input: { pfs: { repo: "in", glob: "/*", ...changes } } });

const SPEC = { rpc: "PipelineService/CreatePipeline", code: "INVALID_ARGUMENT", reason: "SPEC_INVALID" } as const;
const NOT_RUN = { ...SPEC, code: "UNIMPLEMENTED", reason: "FIELD_NOT_IMPLEMENTED" } as const;
const REPO = { rpc: "RepoService/CreateRepo", code: "INVALID_ARGUMENT", reason: "REPO_INVALID" } as const;

const BAD_NAMES: Readonly<Record<string, string>> = {
  "a slash": "a/b",
  dots: "..",
  "a NUL": "a\0",
  "a newline": "a\n",
  "upper case": "Words",
  "64 characters": "a".repeat(64),
  "a letter of another alphabet": "p\u0430ypal",
  "a change of direction": "a\u202eb",
  "a space": "a b",
  "a dash at its end": "a-",
};

const names: BadRequest[] = Object.entries({ "1 no name": "", ...prefixed("2 a name with ", BAD_NAMES) }).flatMap(
  ([what, name]) => [
    { ...REPO, what, request: { name }, field: "name" },
    { ...SPEC, what, request: create({ pipeline: { name } }), field: "pipeline.name" },
    { ...SPEC, what, request: pfs({ repo: name }), field: "input.pfs.repo" },
  ],
);

const parallelism: BadRequest[] = Object.entries({
  // Of a number in JSON this is what 2^53 + 1 is read as.
  constant: [
    { constant: 2 ** 53 },
    { constant: "0" },
    { constant: "1000000000" },
    { constant: "9007199254740993" },
    {},
  ],
  coefficient: [{ coefficient: -1 }, { coefficient: "NaN" }, { coefficient: 1e9 }, { constant: "1", coefficient: 1 }],
}).flatMap(([field, specs]) =>
  specs.map((parallelismSpec) => ({
    ...SPEC,
    what: `5 parallelism ${JSON.stringify(parallelismSpec)}`,
    request: create({ parallelismSpec }),
    field: `parallelism_spec.${field}`,
  })),
);

const specs: BadRequest[] = (
  [
    ["no spec", "spec", {}],
    ["7 its own output as input", "input.pfs.repo", create({ pipeline: { name: "in" } })],
    ["9 no command", "transform.cmd", create({ transform: {} })],
    ["9 an empty program", "transform.cmd[0]", transform({ cmd: [""] })],
    ["9 a NUL in an argument", "transform.cmd[1]", transform({ cmd: ["sh", "\0"] })],
    ["9 200 KB of arguments", "transform.cmd", transform({ cmd: ["sh", "x".repeat(200_000)] })],
    ["10 a variable with =", 'transform.env["A=B"]', transform({ env: { "A=B": "1" } })],
    ["10 a variable of the worker", 'transform.env["SHEAF_OUT"]', transform({ env: { SHEAF_OUT: "/" } })],
    ["10 LD_PRELOAD", 'transform.env["LD_PRELOAD"]', transform({ env: { LD_PRELOAD: "x.so" } })],
    ["10 NODE_OPTIONS", 'transform.env["NODE_OPTIONS"]', transform({ env: { NODE_OPTIONS: "--x" } })],
    ["10 a credential", 'transform.env["AWS_SECRET_ACCESS_KEY"]', transform({ env: { AWS_SECRET_ACCESS_KEY: "x" } })],
    ["11 an image of 600 characters", "transform.image", transform({ image: "x".repeat(600) })],
    ["11 an image that is no name", "transform.image", transform({ image: "Not a Name" })],
    ["12 no time", "datum_timeout", create({ datumTimeout: "0s" })],
    ["12 less than no time", "datum_timeout", create({ datumTimeout: "-1s" })],
    ["12 a thousand years", "job_timeout", create({ jobTimeout: "31536000000s" })],
    ["13 a million tries", "datum_tries", create({ datumTries: 1_000_000 })],
    [
      "16 200 rules of a merge",
      "merge.rules",
      create({ merge: { rules: Array(200).fill({ glob: "/*", strategy: 1 }) } }),
    ],
    ["14 more cores than any machine has", "resource_requests.cpu", create({ resourceRequests: { cpu: 100_000 } })],
    ["14 less memory than nothing", "resource_limits.memory", create({ resourceLimits: { memory: "-1Gi" } })],
    [
      "14 a GPU of this machine",
      "resource_limits.gpu",
      create({ resourceLimits: { gpu: { type: "nvidia.com/gpu", number: "1" } } }),
    ],
    ["16 a description of 5 KB", "description", create({ description: "x".repeat(5_000) })],
    ["18 a pipeline of another project", "pipeline.project", create({ pipeline: { name: "new", project: "other" } })],
    [
      "18 a secret of another namespace",
      "transform.secrets[0].name",
      transform({ secrets: [{ name: "other/secret" }] }),
    ],
    [
      "18 a secret on this machine",
      "transform.secrets",
      transform({ secrets: [{ name: "one", envVar: "ONE", key: "k" }] }),
    ],
    ["21 an empty glob", "input.pfs.glob", pfs({ glob: "" })],
    ...["/[a", "/{a", "/!(", "/a\\"].map((glob) => [`22 the glob ${glob}`, "input.pfs.glob", pfs({ glob })] as const),
    ["23 braces without measure", "input.pfs.glob", pfs({ glob: "/{1..99999999}".repeat(40) + "{a,b}".repeat(40) })],
    ["23 a glob of 2 KB", "input.pfs.glob", pfs({ glob: `/${"a".repeat(2_000)}` })],
    ...["/../x", "//a", "/./a"].map((glob) => [`26 the glob ${glob}`, "input.pfs.glob", pfs({ glob })] as const),
    ["89 a million words of a command", "transform.cmd", transform({ cmd: Array(1_000_000).fill("a") })],
    ["89 a strategy that is none", "merge.strategy", create({ merge: { strategy: 99 } })],
    ["both limits of failures", "failure_policy", create({ failurePolicy: { maxFailed: "1", minSuccessRatio: 0.5 } })],
    [
      "89 a ratio that is no number",
      "failure_policy.min_success_ratio",
      create({ failurePolicy: { minSuccessRatio: "NaN" } }),
    ],
  ] as const
).map(([what, field, request]) => ({ ...SPEC, what, field, request: request as JsonObject }));

const notRun: BadRequest[] = [
  ["89 a strategy that is to come", "merge.strategy", create({ merge: { strategy: "MERGE_STRATEGY_SORT" } })],
  ["28 a cross of ten million", "input.cross", create({ input: { cross: [{ pfs: { repo: "in", glob: "/*" } }] } })],
  ["cron", "input.cron", create({ input: { cron: { spec: "@every 1h" } } })],
].map(([what, field, request]) => ({ ...NOT_RUN, what, field, request }) as BadRequest);

const state: BadRequest[] = [
  { ...REPO, what: "3 a repo that is there", request: { name: "in" }, code: "ALREADY_EXISTS", reason: "REPO_EXISTS" },
  {
    ...SPEC,
    what: "3 a pipeline that is there",
    request: create({ pipeline: { name: "words" } }),
    code: "ALREADY_EXISTS",
    reason: "PIPELINE_EXISTS",
  },
  {
    ...SPEC,
    what: "7 a cycle",
    rpc: "PipelineService/UpdatePipeline",
    request: { spec: spec({ pipeline: { name: "words" }, input: { pfs: { repo: "more", glob: "/" } } }) },
    reason: "PIPELINE_CYCLE",
    field: "input.pfs.repo",
  },
  {
    ...SPEC,
    what: "8 an input that is missing",
    request: pfs({ repo: "missing" }),
    code: "FAILED_PRECONDITION",
    reason: "INPUT_REPO_MISSING",
    field: "input.pfs.repo",
  },
  {
    ...SPEC,
    what: "19 a stale etag",
    rpc: "PipelineService/UpdatePipeline",
    request: { spec: spec({ pipeline: { name: "words" } }), etag: "1" },
    code: "ABORTED",
    reason: "ETAG_MISMATCH",
  },
  {
    ...SPEC,
    what: "19 a stale etag",
    rpc: "PipelineService/DeletePipeline",
    request: { name: "more", etag: "1" },
    code: "ABORTED",
    reason: "ETAG_MISMATCH",
  },
  {
    ...REPO,
    what: "20 a request id of another request",
    request: { name: "new", requestId: "used" },
    code: "ALREADY_EXISTS",
    reason: "REQUEST_ID_REUSED",
  },
  {
    ...SPEC,
    what: "20 a request id of another request",
    request: { spec: spec(), requestId: "used" },
    code: "ALREADY_EXISTS",
    reason: "REQUEST_ID_REUSED",
  },
  {
    ...REPO,
    what: "a request id of 65 characters",
    request: { name: "new", requestId: "x".repeat(65) },
    field: "request_id",
  },
  {
    what: "100 a repo that is read",
    rpc: "RepoService/DeleteRepo",
    request: { name: "in" },
    code: "FAILED_PRECONDITION",
    reason: "REPO_IS_READ",
  },
  {
    what: "100 a pipeline that is read",
    rpc: "PipelineService/DeletePipeline",
    request: { name: "words" },
    code: "FAILED_PRECONDITION",
    reason: "OUTPUT_IS_READ",
  },
  {
    what: "100 a pipeline's repo",
    rpc: "RepoService/DeleteRepo",
    request: { name: "words" },
    code: "FAILED_PRECONDITION",
    reason: "REPO_OF_PIPELINE",
  },
  {
    what: "103 a datum of a job that is over",
    rpc: "DatumService/RestartDatum",
    request: { pipeline: "words", datums: ["0"] },
    code: "FAILED_PRECONDITION",
    reason: "JOB_OVER",
  },
];

const notFound: BadRequest[] = [
  ["RepoService/InspectRepo", { name: "nowhere" }, "REPO_NOT_FOUND"],
  ["RepoService/InspectCommit", { commit: { repo: "in", ref: "nowhere" } }, "BRANCH_NOT_FOUND"],
  ["RepoService/InspectCommit", { commit: { repo: "in", ref: "01m82zj4rd8yppba72mwg90p1w" } }, "COMMIT_NOT_FOUND"],
  ["PipelineService/InspectPipeline", { name: "nowhere" }, "PIPELINE_NOT_FOUND"],
  ["JobService/InspectJob", { pipeline: "nowhere" }, "PIPELINE_NOT_FOUND"],
  ["JobService/StopJob", { pipeline: "words", job: "01m82zj4rd8yppba72mwg90p1w" }, "JOB_NOT_FOUND"],
  ["DatumService/InspectDatum", { pipeline: "words", datum: "99" }, "DATUM_NOT_FOUND"],
  ["ClusterService/DrainWorker", { pipeline: "words", worker: "00000000" }, "WORKER_NOT_FOUND"],
  ["FileService/InspectFile", { commit: { repo: "in" }, path: "/nowhere" }, "FILE_NOT_FOUND"],
  ["FileService/GetFileUrl", { commit: { repo: "in" }, path: "/nowhere" }, "FILE_NOT_FOUND"],
  ["FileService/ListFiles", { commit: { repo: "in" }, path: "/a" }, "FOLDER_NOT_FOUND"],
].map(
  ([rpc, request, reason]) => ({ what: "what is not there", rpc, request, code: "NOT_FOUND", reason }) as BadRequest,
);

const LISTS: Readonly<Record<string, JsonObject>> = {
  "RepoService/ListRepos": {},
  "RepoService/ListCommits": { repo: "in" },
  "PipelineService/ListPipelines": {},
  "JobService/ListJobs": {},
  "DatumService/ListDatums": { pipeline: "words" },
  "FileService/ListFiles": { commit: { repo: "in" } },
  "FileService/GlobFiles": { commit: { repo: "in" }, glob: "/*" },
  "ClusterService/ListWorkers": {},
};
const OTHER_LIST = Buffer.from("others\nx").toString("base64url");
const paging: BadRequest[] = Object.entries(LISTS).flatMap(([rpc, rest]) =>
  (
    [
      ["garbage as page token", { token: "garbage" }, "PAGE_TOKEN_INVALID", "page.token"],
      ["the page token of another list", { token: OTHER_LIST }, "PAGE_TOKEN_INVALID", "page.token"],
      ["a page token of 100 KB", { token: "x".repeat(100_000) }, "PAGE_TOKEN_INVALID", "page.token"],
      ["a page of 1,001", { size: 1_001 }, "PAGE_INVALID", "page.size"],
    ] as const
  ).map(([what, page, reason, field]) => ({
    what,
    rpc,
    request: { ...rest, page },
    code: "INVALID_ARGUMENT",
    reason,
    field,
  })),
);

const more: BadRequest[] = (
  [
    [
      "a time before 1970",
      "JobService/ListJobs",
      { createdSince: "1960-01-01T00:00:00Z" },
      "TIME_INVALID",
      "created_since",
    ],
    ["an id that is none", "JobService/InspectJob", { pipeline: "words", job: "1" }, "ID_INVALID", "job"],
    [
      "a path that is none",
      "FileService/InspectFile",
      { commit: { repo: "in" }, path: "/a/../b" },
      "PATH_INVALID",
      "path",
    ],
    ["21 an empty glob", "FileService/GlobFiles", { commit: { repo: "in" }, glob: "" }, "GLOB_INVALID", "glob"],
    [
      "26 a glob that climbs",
      "FileService/GlobFiles",
      { commit: { repo: "in" }, glob: "/../x" },
      "GLOB_INVALID",
      "glob",
    ],
    [
      "22 a glob that is none",
      "FileService/GlobFiles",
      { commit: { repo: "in" }, glob: "/[a" },
      "GLOB_INVALID",
      "glob",
    ],
    [
      "a URL for a year",
      "FileService/GetFileUrl",
      { commit: { repo: "in" }, path: "/a", expiresIn: "31536000s" },
      "EXPIRY_INVALID",
      "expires_in",
    ],
    ["a branch without commit", "RepoService/PutBranch", { repo: "in", branch: "b" }, "ID_INVALID", "commit"],
  ] as const
).map(([what, rpc, request, reason, field]) => ({
  what,
  rpc,
  request: request as JsonObject,
  code: "INVALID_ARGUMENT",
  reason,
  field,
}));

export const BAD_REQUESTS: readonly BadRequest[] = [
  ...names,
  ...parallelism,
  ...specs,
  ...notRun,
  ...state,
  ...notFound,
  ...paging,
  ...more,
];

/** What only JSON can get wrong: the text, and the field. */
export const BAD_JSON: readonly (readonly [what: string, text: string, field: string | undefined])[] = [
  ["4 a misspelt field", json({ spec: spec({ paralelism_spec: {} }) }), "spec.paralelism_spec"],
  ["5 a negative count", json({ spec: spec({ parallelismSpec: { constant: -1 } }) }), "spec.parallelism_spec.constant"],
  ["6 __proto__", '{"spec":{"__proto__":{"admin":true}}}', "spec.__proto__"],
  ["6 constructor", '{"spec":{"constructor":{"prototype":{"admin":true}}}}', "spec.constructor"],
  ["9 a command that is a text", json({ spec: spec({ transform: { cmd: "true" } }) }), "spec.transform.cmd"],
  ["13 less than no tries", json({ spec: spec({ datumTries: -1 }) }), "spec.datum_tries"],
  ["15 a patch of the pod", json({ spec: spec({ pod_patch: "[]" }) }), "spec.pod_patch"],
  [
    "15 a path of the host",
    json({ spec: spec({ transform: { cmd: ["true"], hostPath: "/" } }) }),
    "spec.transform.hostPath",
  ],
  [
    "16 1,000 levels",
    `{"spec":{"input":${'{"cross":['.repeat(1_000)}${"]}".repeat(1_000)}}}`,
    `spec.input${".cross[0]".repeat(10)}`,
  ],
  ["17 egress", json({ spec: spec({ egress: { URL: "file:///etc" } }) }), "spec.egress"],
  ["the same field twice", '{"spec":{},"spec":{}}', undefined],
];

function json(value: JsonValue): string {
  return JSON.stringify(value);
}

function prefixed(prefix: string, rows: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(rows).map(([what, value]) => [prefix + what, value]));
}
