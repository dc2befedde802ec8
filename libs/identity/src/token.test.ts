import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { Secret, seededRandom } from "@sheaf/runtime";
import { formatLine, lineOf, newToken, parseLines } from "./token.ts";

const random = seededRandom(1);
const make = (name: string) => newToken({ name, role: "editor", expires: Number.POSITIVE_INFINITY }, random);

describe("tokens", () => {
  it("a line is found by its token alone, and holds nothing of it", () => {
    const made = ["a", "b", "c"].map(make);
    const { lines, wrong } = parseLines(`# a comment\n\n${made.map(({ line }) => formatLine(line)).join("\r\n")}\n`);
    assert.deepEqual(wrong, []);
    for (const { token, line } of made) {
      assert.equal(lineOf(token, lines)?.name, line.name);
      assert.ok(!formatLine(line).includes(token.reveal().slice(6)));
      const changed = token.reveal().replace(/.$/, (last) => (last === "A" ? "B" : "A"));
      assert.equal(lineOf(new Secret(changed), lines), undefined);
    }
    for (const text of ["", "sheaf_", "x".repeat(10_000), made[0]?.token.reveal().slice(6) ?? ""]) {
      assert.equal(lineOf(new Secret(text), lines), undefined);
    }
  });

  it("wrong lines grant nothing, and are told by number, without their contents", () => {
    const good = formatLine(make("good").line);
    const bad = [
      "name",
      good.replace("good", "../x"),
      good.replace("editor", "root"),
      good.replace("never", "soon"),
      good.replace("never", "2027-02-30"),
      good.replace("sha256:", "md5:"),
      good.replace(/.$/, ""),
      `${good} more`,
      good, // the name is taken
    ];
    const { lines, wrong } = parseLines([good, ...bad].join("\n"));
    assert.deepEqual(
      lines.map(({ name }) => name),
      ["good"],
    );
    assert.deepEqual(
      wrong.map((text) => Number(/line (\d+)/.exec(text)?.[1])),
      bad.map((_, i) => i + 2),
    );
    assert.doesNotMatch(wrong.join("\n"), /root|soon|md5/);
  });

  it("a token shows nowhere", () => {
    const { token } = make("x");
    for (const text of [inspect({ token }), JSON.stringify({ token }), `${token}`])
      assert.ok(!text.includes(token.reveal()));
  });
});
