// What is wrong with a pipeline spec, all of it at once. Pure: whether its repos exist is decided with the transaction.

import type { Duration } from "@bufbuild/protobuf/wkt";
import { compileGlob } from "@sheaf/files";
import { api } from "@sheaf/proto";
import { messageOf } from "@sheaf/runtime";
import * as limits from "./limits.ts";
import { checkDescription, checkName, shown } from "./names.ts";
import { checkPlace, type Place } from "./spec-place.ts";
import { refuseUnimplemented } from "./spec-unimplemented.ts";
import { Violations } from "./violations.ts";

/** Throws UNIMPLEMENTED or INVALID_ARGUMENT unless this version can run the spec. */
export function checkSpec(spec: api.PipelineSpec | undefined, place: Place): asserts spec is api.PipelineSpec {
  const violations = new Violations();
  if (spec === undefined) {
    violations.add("spec", "is required");
  } else {
    refuseUnimplemented(spec);
    checkParts(violations, spec, place);
  }
  violations.throwIfAny("SPEC_INVALID", "the pipeline's spec is not valid");
}

function checkParts(violations: Violations, spec: api.PipelineSpec, place: Place): void {
  checkName(violations, "pipeline.name", spec.pipeline?.name ?? "");
  const project = spec.pipeline?.project ?? "";
  violations.require(
    ["", "default"].includes(project),
    "pipeline.project",
    `is ${shown(project)}: only "default" exists`,
  );
  checkDescription(violations, "description", spec.description);
  checkTransform(violations, spec.transform);
  checkParallelism(violations, spec.parallelismSpec);
  checkInput(violations, spec);
  checkMerge(violations, spec.merge);
  if (spec.outputBranch !== "") checkName(violations, "output_branch", spec.outputBranch);
  const tries = spec.datumTries;
  violations.require(tries <= limits.TRIES_MAX, "datum_tries", `is ${tries}: use 1 to ${limits.TRIES_MAX}`);
  checkTimeout(violations, "datum_timeout", spec.datumTimeout);
  checkTimeout(violations, "job_timeout", spec.jobTimeout);
  checkFailurePolicy(violations, spec.failurePolicy);
  checkPlace(violations, spec, place);
  if ((spec.transform?.handler ?? "") !== "") checkHandlerLimits(violations, spec.resourceLimits);
  const reprocess = spec.reprocessSpec;
  violations.require(
    ["", "until_success", "every_job"].includes(reprocess),
    "reprocess_spec",
    `is ${shown(reprocess)}: use "until_success" or "every_job"`,
  );
  checkBytes(violations, "salt", Buffer.byteLength(spec.salt), limits.SALT_BYTES_MAX);
}

function checkTransform(violations: Violations, transform: api.Transform | undefined): void {
  if (transform !== undefined && transform.handler !== "") checkHandler(violations, transform);
  else if (transform === undefined || transform.cmd.length === 0) {
    violations.add("transform.cmd", 'is required: the command and its arguments, like ["sh", "-c", "wc -w $in"]');
    return;
  }
  checkCommand(violations, "transform.cmd", transform.cmd);
  checkBytes(violations, "transform.stdin", bytesOf(transform.stdin), limits.STDIN_BYTES_MAX);
  checkCommand(violations, "transform.err_cmd", transform.errCmd);
  checkBytes(violations, "transform.err_stdin", bytesOf(transform.errStdin), limits.STDIN_BYTES_MAX);
  const isRead = transform.errCmd.length > 0 || transform.errStdin.length === 0;
  violations.require(isRead, "transform.err_stdin", "has nobody to read it: give transform.err_cmd as well");
  checkImage(violations, transform.image);
  checkText(violations, "transform.working_dir", transform.workingDir);
  const folder = Buffer.byteLength(transform.workingDir);
  checkBytes(violations, "transform.working_dir", folder, limits.WORKING_DIR_BYTES_MAX);
  checkUser(violations, transform.user);
  checkEnv(violations, transform.env);
  const { slots } = transform;
  violations.require(slots <= limits.SLOTS_MAX, "transform.slots", `is ${slots}: use 1 to ${limits.SLOTS_MAX}`);
  transform.acceptReturnCode.forEach((code, i) => {
    const field = `transform.accept_return_code[${i}]`;
    violations.require(code >= 1 && code <= 255, field, `is ${code}: use 1 to 255 (0 always means success)`);
  });
}

function checkImage(violations: Violations, image: string): void {
  if (image === "") return;
  const bytes = Buffer.byteLength(image);
  if (bytes > limits.IMAGE_BYTES_MAX) return checkBytes(violations, "transform.image", bytes, limits.IMAGE_BYTES_MAX);
  const use = 'use a name like "python:3" or "registry.example:5000/team/tool@sha256:..."';
  violations.require(
    limits.IMAGE.test(image),
    "transform.image",
    `is ${shown(image)}, which is no name of an image: ${use}`,
  );
}

function checkCommand(violations: Violations, field: string, words: readonly string[]): void {
  violations.require(words[0] !== "", `${field}[0]`, "is empty: it names the program to run");
  words.forEach((text, i) => checkText(violations, `${field}[${i}]`, text));
  checkBytes(violations, field, bytesOf(words), limits.COMMAND_BYTES_MAX);
}

/** A function takes the place of the command, and of all that is about commands. */
function checkHandler(violations: Violations, transform: api.Transform): void {
  checkBytes(violations, "transform.handler", Buffer.byteLength(transform.handler), limits.HANDLER_BYTES_MAX);
  for (const [field, isSet] of [
    ["cmd", transform.cmd.length > 0],
    ["stdin", transform.stdin.length > 0],
    ["working_dir", transform.workingDir !== ""],
    ["user", transform.user !== ""],
    ["datum_batching", transform.datumBatching],
    ["accept_return_code", transform.acceptReturnCode.length > 0],
  ] as const) {
    violations.require(!isSet, `transform.${field}`, "means nothing to a handler: leave it out, or the handler");
  }
}

function checkUser(violations: Violations, user: string): void {
  if (user === "") return;
  const ok =
    limits.USER.test(user) && user.split(":").every((id) => !/^\d+$/.test(id) || Number(id) <= limits.USER_ID_MAX);
  violations.require(
    ok,
    "transform.user",
    `is ${shown(user)}: use a user's name or number, like "nobody" or "1000:1000"`,
  );
}

function checkEnv(violations: Violations, env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(env)) {
    const field = `transform.env[${shown(name)}]`;
    const wrong = limits.wrongWithEnvName(name);
    if (wrong !== undefined) violations.add(field, wrong);
    checkText(violations, field, value);
  }
  checkBytes(violations, "transform.env", bytesOf(Object.entries(env).flat()), limits.ENV_BYTES_MAX);
}

/** A promise that nobody would keep is not taken. */
function checkHandlerLimits(violations: Violations, spec: api.ResourceSpec | undefined): void {
  const { memory = "", cpu = 0, pids = 0 } = spec ?? {};
  for (const [field, isSet] of Object.entries({ memory: memory !== "", cpu: cpu !== 0, pids: pids !== 0 })) {
    violations.require(
      !isSet,
      `resource_limits.${field}`,
      "cannot be kept for a handler, which runs in the worker: leave it out",
    );
  }
}

function checkParallelism(violations: Violations, spec: api.ParallelismSpec | undefined): void {
  if (spec === undefined) return;
  const { constant, coefficient } = spec;
  if (coefficient === 0) {
    // What is 0 and what is not there are the same to protobuf: the message is true of both, and of a coefficient of 0.
    const none = `is 0 or not given: use 1 to ${limits.WORKERS_MAX}, or a coefficient above 0`;
    if (constant === 0n) return violations.add("parallelism_spec.constant", none);
    const ok = constant <= limits.WORKERS_MAX;
    return violations.require(ok, "parallelism_spec.constant", `is ${constant}: use 1 to ${limits.WORKERS_MAX}`);
  }
  const ok = coefficient > 0 && coefficient <= Number(limits.WORKERS_MAX); // NaN is neither
  const use = `is ${coefficient}: use more than 0, to ${limits.WORKERS_MAX}`;
  violations.require(ok, "parallelism_spec.coefficient", use);
  violations.require(constant === 0n, "parallelism_spec.coefficient", "stands beside constant: give one of them");
}

function checkInput(violations: Violations, spec: api.PipelineSpec): void {
  const pfs = spec.input?.pfs;
  if (pfs === undefined) return violations.add("input.pfs", "is required: the repo and the glob that make the datums");
  checkName(violations, "input.pfs.repo", pfs.repo);
  if (pfs.name !== "") checkName(violations, "input.pfs.name", pfs.name);
  // The folder of the output stands beside those of the inputs.
  violations.require(
    (pfs.name || pfs.repo) !== "out",
    "input.pfs.name",
    'is "out", the folder of the output: give another',
  );
  if (pfs.branch !== "") checkName(violations, "input.pfs.branch", pfs.branch);
  const both = pfs.lazy && pfs.emptyFiles;
  violations.require(
    !both,
    "input.pfs.lazy",
    "stands beside empty_files: either the content comes when it is opened, or never",
  );
  checkGlob(violations, "input.pfs.glob", pfs.glob);
  // The worker sets these for each datum, over whatever the spec says.
  const name = pfs.name || pfs.repo;
  for (const variable of [name, `${name}_COMMIT`]) {
    const isFree = spec.transform?.env[variable] === undefined;
    const use = `is the input's own variable, which the worker sets: give this one, or the input (input.pfs.name), another name`;
    violations.require(isFree, `transform.env[${shown(variable)}]`, use);
  }
  const self = pfs.repo !== "" && pfs.repo === spec.pipeline?.name;
  violations.require(!self, "input.pfs.repo", `is the pipeline's own output: ${pfs.repo} -> ${pfs.repo} is a cycle`);
}

export function checkGlob(violations: Violations, field: string, glob: string): void {
  const bytes = Buffer.byteLength(glob);
  if (bytes === 0) return violations.add(field, 'is required: "/*" makes a datum of every file and folder at the top');
  if (bytes > limits.GLOB_BYTES_MAX) return checkBytes(violations, field, bytes, limits.GLOB_BYTES_MAX);
  try {
    compileGlob(glob);
  } catch (error) {
    // Without the caret below the pattern: all that is wrong with a spec is told in one line.
    const [problem] = error instanceof Error ? error.message.split("\n") : [messageOf(error)];
    violations.add(field, `is ${JSON.stringify(glob)}: ${problem}`);
  }
}

function checkMerge(violations: Violations, merge: api.MergeSpec | undefined): void {
  if (merge === undefined) return;
  checkStrategy(violations, "merge.strategy", merge.strategy);
  const { length } = merge.rules;
  violations.require(
    length <= limits.MERGE_RULES_MAX,
    "merge.rules",
    `has ${length}: at most ${limits.MERGE_RULES_MAX}`,
  );
  merge.rules.slice(0, limits.MERGE_RULES_MAX).forEach((rule, i) => {
    checkGlob(violations, `merge.rules[${i}].glob`, rule.glob);
    const set = rule.strategy !== api.MergeStrategy.UNSPECIFIED;
    violations.require(set, `merge.rules[${i}].strategy`, "is required");
    checkStrategy(violations, `merge.rules[${i}].strategy`, rule.strategy);
  });
}

function checkStrategy(violations: Violations, field: string, strategy: api.MergeStrategy): void {
  // A number that a newer contract gave a name to comes through as it is.
  const known: readonly number[] = Object.values(api.MergeStrategy);
  violations.require(known.includes(strategy), field, `is ${strategy}, which this version does not know`);
}

function checkTimeout(violations: Violations, field: string, duration: Duration | undefined): void {
  if (duration === undefined) return;
  const ms = Number(duration.seconds) * 1_000 + duration.nanos / 1e6;
  const ok = ms >= limits.TIMEOUT_MS_MIN && ms <= limits.TIMEOUT_MS_MAX;
  violations.require(ok, field, `is ${ms / 1_000} s: use 0.001 s to a year, or leave it out for no limit`);
}

function checkFailurePolicy(violations: Violations, policy: api.FailurePolicy | undefined): void {
  const { maxFailed, minSuccessRatio } = policy ?? {};
  const isOne = maxFailed === undefined || minSuccessRatio === undefined;
  violations.require(isOne, "failure_policy", "has max_failed and min_success_ratio: give one of them");
  if (maxFailed !== undefined) {
    const ok = maxFailed <= limits.MAX_FAILED_MAX;
    violations.require(ok, "failure_policy.max_failed", `is ${maxFailed}: use 0 to ${limits.MAX_FAILED_MAX}`);
  }
  if (minSuccessRatio !== undefined) {
    const ok = minSuccessRatio >= 0 && minSuccessRatio <= 1; // NaN is neither
    violations.require(ok, "failure_policy.min_success_ratio", `is ${minSuccessRatio}: use 0 to 1`);
  }
}

function checkText(violations: Violations, field: string, text: string): void {
  violations.require(!text.includes("\0"), field, "holds a NUL character, which no program can be given");
}

function checkBytes(violations: Violations, field: string, bytes: number, max: number): void {
  violations.require(bytes <= max, field, `has ${bytes} bytes: at most ${max}`);
}

function bytesOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
}
