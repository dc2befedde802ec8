import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type SessionAct, type SessionEvent, type SessionState, SILENCE_MS, step } from "./machine.ts";

type Script = readonly (readonly [number, SessionEvent])[];

/** Feeds events; returns what was done. */
function play(...script: Script): { acts: string[]; state: SessionState } {
  let state: SessionState = { t: "waiting", until: 0 };
  let address = 0;
  const acts: string[] = [];
  for (const [now, event] of script) {
    const next = step(state, event, { now, nextAddress: () => `m${address++ % 2}`, wait: () => 100 });
    state = next.state;
    acts.push(...next.acts.map(shown));
  }
  return { acts, state };
}

function shown(act: SessionAct): string {
  return act.t === "connect" ? `connect ${act.address}` : act.t === "gave-up" ? `gave-up: ${act.why}` : act.t;
}

const tick: SessionEvent = { t: "tick" };
const welcome: SessionEvent = { t: "welcome", beatMs: 1_000 };

describe("a session", () => {
  it("greets, stands and beats", () => {
    const { acts, state } = play([0, tick], [10, welcome], [20, tick], [1_010, tick], [1_500, tick], [2_010, tick]);
    assert.deepEqual(acts, ["connect m0", "stands", "beat", "beat"]);
    assert.equal(state.t, "standing");
  });

  it("tries the addresses in turn, with waits", () => {
    const { acts } = play(
      [0, tick],
      [5, { t: "lost", detail: "refused" }],
      [50, tick],
      [105, tick],
      [110, { t: "lost", detail: "refused" }],
      [300, tick],
    );
    assert.deepEqual(acts, [
      "connect m0",
      "disconnect",
      "gave-up: refused",
      "connect m1",
      "disconnect",
      "gave-up: refused",
      "connect m0",
    ]);
  });

  it("follows to the owner at once, but not for ever", () => {
    const elsewhere = (address: string): SessionEvent => ({ t: "elsewhere", address });
    const { acts } = play(
      [0, tick],
      [1, elsewhere("b")],
      [2, elsewhere("c")],
      [3, elsewhere("b")],
      [4, elsewhere("c")],
    );
    assert.deepEqual(
      acts.filter((act) => act.startsWith("connect")),
      ["connect m0", "connect b", "connect c", "connect b"],
    );
    assert.equal(acts.at(-1), "gave-up: b knows no owner");
    assert.equal(play([0, tick], [1, elsewhere("")]).acts.at(-1), "gave-up: m0 knows no owner");
  });

  it("gives up an owner that is silent, and one that does not greet", () => {
    const silent = play(
      [0, tick],
      [0, welcome],
      [SILENCE_MS - 1, { t: "heard" }],
      [SILENCE_MS, tick],
      [2 * SILENCE_MS - 1, tick],
    );
    assert.equal(silent.acts.at(-1), `gave-up: m0 was silent for ${SILENCE_MS} ms`);
    const answered = play([0, tick], [900, { t: "connected" }], [5_899, tick], [5_900, tick]);
    assert.equal(answered.acts.at(-1), "gave-up: no welcome from m0 in 5000 ms");
  });

  it("loses a second at most to an address that is dead", () => {
    const { acts } = play([0, tick], [999, tick], [1_000, tick], [1_100, tick], [1_110, { t: "connected" }]);
    assert.deepEqual(acts, ["connect m0", "disconnect", "gave-up: no answer from m0 in 1000 ms", "connect m1"]);
  });

  it("tries the owner of a session that broke first, and one that was silent in its turn", () => {
    const connects = (...script: Script) => play(...script).acts.filter((act) => act.startsWith("connect"));
    const lost: SessionEvent = { t: "lost", detail: "broken" };
    assert.deepEqual(
      connects(
        [0, tick],
        [1, { t: "elsewhere", address: "o" }],
        [2, welcome],
        [9, lost],
        [109, tick],
        [110, lost],
        [210, tick],
      ),
      ["connect m0", "connect o", "connect o", "connect m1"],
    );
    assert.deepEqual(connects([0, tick], [1, welcome], [SILENCE_MS + 1, tick], [SILENCE_MS + 101, tick]), [
      "connect m0",
      "connect m1",
    ]);
  });

  it("says good-bye when it stands, and never comes back", () => {
    const { acts, state } = play([0, tick], [1, welcome], [2, { t: "leave" }], [3, welcome], [9_999, tick]);
    assert.deepEqual(acts, ["connect m0", "stands", "leaving"]);
    assert.equal(state.t, "closed");
    assert.deepEqual(play([0, tick], [2, { t: "leave" }]).acts, ["connect m0", "disconnect"]);
  });

  it("is connected at most once at a time, and never stuck, whatever happens", () => {
    const event: fc.Arbitrary<SessionEvent> = fc.oneof(
      fc.constant(tick),
      fc.constant(welcome),
      fc.constant<SessionEvent>({ t: "connected" }),
      fc.constant<SessionEvent>({ t: "heard" }),
      fc.constant<SessionEvent>({ t: "elsewhere", address: "x" }),
      fc.constant<SessionEvent>({ t: "elsewhere", address: "" }),
      fc.constant<SessionEvent>({ t: "lost", detail: "x" }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 4_000 }), event)), (steps) => {
        let now = 0;
        let connected = false;
        let state: SessionState = { t: "waiting", until: 0 };
        const feed = (each: SessionEvent) => {
          const next = step(state, each, { now, nextAddress: () => "m", wait: () => 100 });
          state = next.state;
          for (const act of next.acts) {
            if (act.t === "connect") {
              assert.equal(connected, false);
              connected = true;
            } else if (act.t === "disconnect") connected = false;
            else if (act.t === "beat" || act.t === "stands") assert.equal(connected, true);
          }
        };
        for (const [wait, each] of steps) {
          now += wait;
          feed(each);
        }
        for (let i = 0; i < 3; i++) {
          now += SILENCE_MS;
          feed(tick);
        }
        if (!connected) {
          now += SILENCE_MS;
          feed(tick);
        }
        assert.equal(connected, true, "it always comes back");
      }),
    );
  });
});
