import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { readSpec } from "./read-spec.ts";

const dir = mkdtempSync(join(tmpdir(), "sheaf-read-spec-test-"));
after(() => rmSync(dir, { recursive: true }));

/** What becomes of the handler of a pipeline file in a folder below the one where the user stands. */
function handlerOf(handler: string, module: string | Buffer): string {
  mkdirSync(join(dir, "sub"), { recursive: true });
  for (const ext of ["ts", "js", "cts"]) writeFileSync(join(dir, `sub/h.${ext}`), module);
  writeFileSync(join(dir, "sub/p.json"), JSON.stringify({ pipeline: { name: "p" }, transform: { handler } }));
  return readSpec("sub/p.json", dir).transform?.handler ?? "";
}

describe("readSpec()", () => {
  it("puts the module that a handler names, beside the pipeline file, into the spec", () => {
    const text =
      'import { join } from "node:path";\nimport type { A } from "./a.ts";\nexport const a = 1\nexport default () => join("a", "./b");\n';
    assert.equal(handlerOf("./h.ts", text), text);
    assert.equal(handlerOf(text, ""), text);
  });

  it("refuses one that is not there, is too big, or imports what would not go with it", () => {
    assert.throws(() => handlerOf("other.ts", ""), { code: "INVALID_ARGUMENT", message: /other\.ts" does not exist/ });
    assert.throws(() => handlerOf("h.ts", "x".repeat(600_000)), { message: /has 600000 bytes: at most 524288/ });
    for (const line of [
      'import { x } from "./other.ts";',
      'export * from "../x.js";',
      'import "/abs.js";',
      "import {\n  a,\n} from './b.js'",
    ])
      assert.throws(() => handlerOf("h.ts", `// a\n${line}\n`), { message: /which does not go with it: bundle it/ });
  });

  it("refuses one that is no ES module, empty, or no text, and names its file", () => {
    const es = { message: /h\.\w+" is a CommonJS module: a handler is an ES module, "export default/ };
    assert.throws(() => handlerOf("h.ts", "const a = 1;\nmodule.exports = () => a;\n"), es);
    assert.throws(() => handlerOf("h.js", "exports.default = () => {};\n"), es);
    assert.throws(() => handlerOf("h.cts", "export default () => {};\n"), es);
    const bundled = "var a = (() => {\nmodule.exports = 1;\n})();\nexport { a as default };\n";
    assert.equal(handlerOf("h.js", bundled), bundled);
    for (const path of ["h.py", "h.tsx", "./h"])
      assert.throws(() => handlerOf(path, ""), {
        message: /is no module: its name ends in \.ts, \.js, \.mts or \.mjs/,
      });
    assert.throws(() => handlerOf("h.ts", " \n"), { message: /h\.ts" is empty/ });
    assert.throws(() => handlerOf("h.ts", Buffer.from("// \xff\n", "latin1")), { message: /h\.ts".*not valid/ });
  });
});
