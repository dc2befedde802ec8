import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { takeTurn } from "./cluster/turn.ts";

const NAME = `\0sheaf-turn-test-${process.pid}`;
const TURN = join(import.meta.dirname, "cluster", "turn.ts");

test("one process at a time has the turn, and one that is killed gives it back", async () => {
  const program = `const { takeTurn } = await import(${JSON.stringify(TURN)});
    await takeTurn(${JSON.stringify(NAME)}); console.log("mine"); setInterval(() => {}, 1000);`;
  const rivals = [1, 2, 3].map(() => spawn(process.execPath, ["--input-type=module", "-e", program]));
  const waiting = new Map(rivals.map((rival) => [rival, once(rival.stdout, "data").then(() => rival)]));
  while (waiting.size > 0) {
    const holder = await Promise.race(waiting.values());
    waiting.delete(holder);
    const others = [...waiting.values()].map((said) => said.then(() => "said"));
    assert.equal(await Promise.race([...others, new Promise((resolve) => setTimeout(resolve, 200, "quiet"))]), "quiet");
    holder.kill("SIGKILL");
    await once(holder, "exit");
  }
  const letNextGo = await takeTurn(NAME);
  const next = takeTurn(NAME);
  letNextGo();
  (await next)();
});
