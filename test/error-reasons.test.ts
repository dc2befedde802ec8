// docs/errors.md and the code name the same reasons, with the same codes.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  aborted,
  alreadyExists,
  cancelled,
  dataLoss,
  deadlineExceeded,
  failedPrecondition,
  internal,
  invalidArgument,
  notFound,
  outOfRange,
  permissionDenied,
  resourceExhausted,
  unauthenticated,
  unavailable,
  unimplemented,
} from "@sheaf/runtime";

const ROOT = join(import.meta.dirname, "..");
/** Whatever can answer a caller of the public API, and the client itself. */
const SOURCES = "{libs/{rpc,files,storage,etcd,ledger,runtime,client},services/master}/src/**/*.ts";
const NO_SOURCE = /\.(test|suite|bench|test-kit)\.ts$|\/fake-/;

/** The functions that make errors, by name: their codes. */
const MAKERS = new Map(
  Object.entries({
    aborted,
    alreadyExists,
    cancelled,
    dataLoss,
    deadlineExceeded,
    failedPrecondition,
    internal,
    invalidArgument,
    notFound,
    outOfRange,
    permissionDenied,
    resourceExhausted,
    unauthenticated,
    unavailable,
    unimplemented,
  }).map(([name, make]) => [name, make("REASON", "message").code as string]),
);

/** Where a reason is passed on, or comes from a table of the same file, and so does not stand beside its maker. */
const PASSED_ON: Readonly<Record<string, RegExp>> = {
  "libs/rpc/src/request-faults.ts": /^ {2}(?<code>[A-Z_]+): "(?<reason>[A-Z_]+)",$/gm,
  "libs/rpc/src/error-connect.ts": /$^/g,
  "libs/rpc/src/error-details.ts": /$^/g,
  "libs/rpc/src/errors.ts": /$^/g,
  "libs/runtime/src/errors.ts": /\["(?<code>[A-Z_]+)", "(?<reason>[A-Z_]+)"\]/g,
  "services/master/src/api/violations.ts": /$^/g,
};

function reasonsInCode(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  const note = (reason = "", code = "") => found.set(reason, (found.get(reason) ?? new Set()).add(code));
  const makers = [...MAKERS.keys()].join("|");
  for (const path of globSync(SOURCES, { cwd: ROOT }).filter((each) => !NO_SOURCE.test(each))) {
    const text = readFileSync(join(ROOT, path), "utf8");
    for (const [, maker = "", reason] of text.matchAll(new RegExp(`\\b(${makers})\\(\\s*"([A-Z][A-Z0-9_]+)"`, "g")))
      note(reason, MAKERS.get(maker));
    for (const [, reason] of text.matchAll(/throwIfAny\(\s*"([A-Z][A-Z0-9_]+)"/g)) note(reason, "INVALID_ARGUMENT");
    for (const [, code, reason] of text.matchAll(/new SheafError\(\s*"([A-Z_]+)",\s*"([A-Z0-9_]+)"/g))
      note(reason, code);
    for (const { groups } of text.matchAll(PASSED_ON[path] ?? /$^/g)) note(groups?.["reason"], groups?.["code"]);
    // A reason that is computed could never be looked up: each is a text where it is given.
    const computed =
      text.match(new RegExp(`(?<![.\\w])(${makers})\\(\\s*[^"\\s)].*|new SheafError\\(\\s*[^"\\s].*`, "g")) ?? [];
    const isForeign = !text.includes('from "@sheaf/runtime"') && !path.startsWith("libs/runtime/");
    if (path in PASSED_ON || isForeign) continue;
    const wrong = computed.filter((line) => !/^aborted\(signal\)|^aborted\(s/.test(line));
    assert.deepEqual(wrong, [], `${path}: the reason of an error should be a text that stands here`);
  }
  return found;
}

function reasonsInDocs(): Map<string, Set<string>> {
  const text = readFileSync(join(ROOT, "docs", "errors.md"), "utf8");
  const rows = [...text.matchAll(/^\| `([A-Z0-9_]+)` \| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \| .+ \|$/gm)].map(
    ([, reason = "", codes = ""]) => [reason, new Set(codes.replaceAll("`", "").split(", "))] as const,
  );
  const bugs = /^With `INTERNAL`.*\n(.*)$/m.exec(text)?.[1] ?? "";
  const internal = [...bugs.matchAll(/`([A-Z0-9_]+)`/g)].map(
    ([, reason = ""]) => [reason, new Set(["INTERNAL"])] as const,
  );
  const reasons = rows.map(([reason]) => reason);
  assert.deepEqual(reasons, reasons.toSorted(), "the table is sorted");
  return new Map([...rows, ...internal]);
}

test("docs/errors.md has every reason that the code gives, and no other", () => {
  const lines = (of: Map<string, Set<string>>) =>
    [...of].map(([reason, codes]) => `${reason}: ${[...codes].sort().join(", ")}`).sort();
  const [code, docs] = [reasonsInCode(), reasonsInDocs()];
  assert.ok(code.size > 100);
  assert.deepEqual(lines(docs), lines(code));
});
