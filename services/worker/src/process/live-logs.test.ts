import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { dispatch } from "@sheaf/proto";
import { manualClock } from "@sheaf/runtime";
import { LogCapture } from "../datum/log-capture.ts";
import type { Item } from "./item.ts";
import { LiveLogs } from "./live-logs.ts";

/** As much of an item as is looked at. */
function item(index: number, isRace = false): Item {
  const claim = { assigned: { id: "c", owner: "master", isRace } };
  return { claim, index, log: new LogCapture() } as unknown as Item;
}

function stage(...items: Item[]) {
  const clock = manualClock();
  const running = new Set(items);
  const said: dispatch.LiveLog[] = [];
  const live = new LiveLogs(clock, running, (_, each) => said.push(each));
  const texts = () =>
    said.splice(0).flatMap(({ index, lines }) => lines.map(({ text }) => `${index} ${Buffer.from(text)}`));
  return { clock, running, said, live, texts };
}

const write = ({ log }: Item, text: string) => log.add("stdout", 1, 0, Buffer.from(text));

describe("LiveLogs", () => {
  it("says nothing while nobody follows, then all from the begin, and again from there for the next who comes", async () => {
    const one = item(1);
    const { clock, live, texts } = stage(one, item(2, true));
    write(one, "a\nb\nhal");
    await clock.advance(1_000);
    assert.deepEqual(texts(), []);
    live.follow(1);
    assert.deepEqual(texts(), ["1 a", "1 b"]);
    write(one, "f\n");
    live.follow(1);
    await clock.advance(250);
    assert.deepEqual(texts(), ["1 half"]);
    live.follow(2);
    assert.deepEqual(texts(), ["1 a", "1 b", "1 half"]);
    live.follow(0);
    write(one, "c\n");
    await clock.advance(1_000);
    assert.deepEqual(texts(), []);
  });

  it("says the last words of a datum that was followed when it ends", () => {
    const one = item(1);
    const { live, running, texts } = stage(one);
    live.follow(1);
    write(one, "last\nwords");
    running.delete(one);
    live.ended(one);
    assert.deepEqual(texts(), ["1 last"]);
    const short = item(2);
    write(short, "of a datum that ran between two looks: its run tells\n");
    live.ended(short);
    assert.deepEqual(texts(), []);
  });

  it("is bounded, serves all in turn, and loses nothing that the logs keep", async () => {
    const [one, two] = [item(1), item(2)];
    const { clock, live, said } = stage(one, two);
    const line = `${"x".repeat(79)}\n`;
    for (const each of [one, two]) write(each, line.repeat(5_000));
    live.follow(1);
    const seen = new Map<bigint, number>();
    let most = 0;
    for (let i = 0; i < 20; i++) {
      const now = said.splice(0);
      for (const { index, lines } of now) seen.set(index, (seen.get(index) ?? 0) + lines.length);
      most = Math.max(
        most,
        now.reduce((sum, { lines }) => sum + lines.length * 80, 0),
      );
      if (i === 3) assert.equal(seen.size, 2, "both are served");
      await clock.advance(250);
    }
    assert.deepEqual([...seen.values()], [5_000, 5_000]);
    assert.ok(most <= 68 * 1024, `${most} bytes at a time`);
  });
});
