// The driver against an API server that fails: what is known is right again as soon as a list comes through, and nothing is told twice.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { manualClock, seededRandom, systemClock, systemRandom, testLogger } from "@sheaf/runtime";
import { NO_NEEDS } from "../needs.ts";
import type { Provisioner, WorkerExit } from "../provisioner.ts";
import { FakeApiServer, type Fault } from "./fake-api-server.test-kit.ts";
import { kubeApi } from "./kube-api.ts";
import { kubernetesProvisioner } from "./kubernetes-provisioner.ts";
import { Pace } from "./pace.ts";

const RUNNING = { phase: "Running", containerStatuses: [{ name: "agent", state: { running: {} } }] };
const FAILED = { phase: "Failed", containerStatuses: [{ name: "agent", state: { terminated: { exitCode: 3 } } }] };

const spec = (id: string) => ({ id, slots: 1, masters: [], mergers: [], store: "", needs: NO_NEEDS });
const podOf = (id: string) => `sheaf-worker-${id}`;

async function until(check: () => boolean | Promise<boolean>, what: string, maxMs = 20_000): Promise<void> {
  const end = systemClock.now() + maxMs;
  while (!(await check())) {
    assert.ok(systemClock.now() < end, `not within ${maxMs} ms: ${what}`);
    await systemClock.sleep(5);
  }
}

describe("a driver of pods whose API server fails", () => {
  let server: FakeApiServer;
  let driver: Provisioner;
  let exits: WorkerExit[];

  beforeEach(async () => {
    server = await FakeApiServer.start();
    exits = [];
    driver = kubernetesProvisioner({
      ...{
        cluster: "test",
        namespace: "w",
        installation: "i",
        image: "sheaf:1",
        defaultImage: "sheaf:1",
        secret: undefined,
      },
      ...{ allowRoot: false, log: testLogger(), clock: systemClock, random: systemRandom },
      api: kubeApi(() => server.config()),
    });
    driver.onExit((exit) => exits.push(exit));
  });
  afterEach(async () => {
    await driver.close();
    await server.stop();
  });

  const ids = async () => (await driver.list()).map(({ id }) => id);
  const watching = () => until(() => server.watches === 2, "pods and nodes are watched");
  /** The first requests that begin so fail; then none. */
  const failing = (begin: string, fault: Fault, times = 1) => {
    server.fault = (request) => (request.startsWith(begin) && times-- > 0 ? fault : undefined);
  };

  it("sees what happened while its watch was cut, and tells it once", async () => {
    await driver.create("p", spec("a"));
    await driver.create("p", spec("b"));
    await watching();
    server.fault = (request) => (request.includes("/pods?") ? { kind: "status", code: 500 } : undefined);
    server.cut();
    server.pods.delete(podOf("a"));
    server.say(podOf("b"), FAILED);
    server.fault = () => undefined;
    await until(async () => (await ids()).length === 0, "both are gone");
    assert.deepEqual(exits.map(({ id, code, taken }) => [id, code, taken]).sort(), [
      ["a", undefined, true],
      ["b", 3, false],
    ]);
    await until(() => server.pods.size === 0, "the ended pod is deleted");
    assert.equal(exits.length, 2);
  });

  it("410: lists at once, without waiting", async () => {
    await driver.create("p", spec("a"));
    await watching();
    server.pods.delete(podOf("a"));
    const begun = systemClock.now();
    server.shout(`${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410 } })}\n`);
    await until(async () => (await ids()).length === 0, "it is gone");
    assert.ok(systemClock.now() - begun < 1_000);
  });

  for (const [name, text] of [
    ["no JSON", "<html>502</html>\n"],
    ["an error without a code", `${JSON.stringify({ type: "ERROR", object: {} })}\n`],
    ["null", "null\n"],
    ["a number", "5\n"],
  ] as const) {
    it(`a watch that says ${name} is made anew after a list`, async () => {
      await driver.create("p", spec("a"));
      await watching();
      server.pods.delete(podOf("a"));
      server.shout(text);
      await until(async () => (await ids()).length === 0, "the list shows that it is gone");
    });
  }

  it("W4: pods that cannot be read hide no other", async () => {
    const labels = { "sheaf.dev/worker": "x", "sheaf.dev/pipeline": "p" };
    const strange = [{}, { metadata: 5 }, { metadata: { name: "m", labels }, status: { conditions: 5 } }];
    for (const [i, pod] of strange.entries()) server.pods.set(`strange-${i}`, pod as never);
    await driver.create("p", spec("a"));
    assert.deepEqual(await ids(), ["a"]);
    await watching();
    server.shout(`${JSON.stringify({ type: "MODIFIED", object: strange[2] })}\n`);
    server.say(podOf("a"), RUNNING);
    await until(async () => (await driver.list())[0]?.state === "running", "the next event is heard");
  });

  it("V1: a create whose answer is lost makes one worker", async () => {
    await driver.list();
    failing("POST", { kind: "lose" });
    await driver.create("p", spec("a"));
    await until(async () => (await ids()).length === 1, "the watch shows it");
    assert.equal(server.pods.size, 1);
    assert.equal(server.requests.filter((each) => each.startsWith("POST")).length, 2);
  });

  it("429: waits as long as it is told, and then goes on", async () => {
    await driver.list();
    failing("POST", { kind: "status", code: 429, retryAfter: 1 });
    const begun = systemClock.now();
    await Promise.all([driver.create("p", spec("a")), driver.create("p", spec("b"))]);
    assert.ok(systemClock.now() - begun >= 999);
    assert.equal(server.pods.size, 2);
  });

  it("slow: what takes a second is waited for, and asked once", async () => {
    const SLOW_MS = 1_000;
    server.fault = (request) => (request.includes("watch=true") ? undefined : { kind: "slow", ms: SLOW_MS });
    const begun = systemClock.now();
    await Promise.all(["a", "b", "c"].map((id) => driver.create("p", spec(id))));
    assert.deepEqual(await ids(), ["a", "b", "c"]);
    await driver.remove("b", { graceMs: 0 });
    assert.ok(systemClock.now() - begun >= 3 * SLOW_MS, "a list, a create, a delete");
    assert.deepEqual(await ids(), ["a", "c"]);
    const writes = server.requests.filter((each) => !each.startsWith("GET"));
    assert.deepEqual(
      writes.map((each) => each.split(" ")[0]),
      ["POST", "POST", "POST", "DELETE"],
    );
    assert.equal(exits.filter(({ asked }) => !asked).length, 0);
  });

  it("says what is wrong: not allowed, away, no installation", async () => {
    await driver.list();
    const message = 'pods is forbidden: User "x" cannot create resource "pods"';
    failing("POST", { kind: "status", code: 403, body: JSON.stringify({ reason: "Forbidden", message }) }, 9);
    await assert.rejects(driver.create("p", spec("a")), /not allowed \(pods is forbidden.*apply the RBAC/);
    await driver.close();
    failing(
      "GET /api/v1/namespaces/w/configmaps",
      { kind: "status", code: 404, body: '{"message":"configmaps \\"i\\" not found"}' },
      99,
    );
    driver = kubernetesProvisioner({
      ...{
        cluster: "test",
        namespace: "w",
        installation: "i",
        image: "sheaf:1",
        defaultImage: "sheaf:1",
        secret: undefined,
      },
      ...{ allowRoot: false, log: testLogger(), clock: systemClock, random: systemRandom },
      api: kubeApi(() => server.config()),
    });
    await assert.rejects(driver.list(), /configmaps "i" not found: apply the manifests/);
    server.fault = () => undefined;
    await until(
      () =>
        driver.list().then(
          () => true,
          () => false,
        ),
      "it goes on by itself",
    );
  });

  it("goes on without the right to see nodes", async () => {
    server.fault = (request) => (request.includes("/nodes") ? { kind: "status", code: 403 } : undefined);
    await driver.create("p", spec("a"));
    assert.deepEqual([await ids(), driver.nodes()], [["a"], 1]);
  });

  it("a random story: at the end it knows what there is, and each end was told once", async () => {
    const seed = systemRandom.int(1 << 30);
    const random = seededRandom(seed);
    const told = (id: string) => exits.filter((exit) => exit.id === id).length;
    const all: string[] = [];
    await driver.list();
    server.fault = (request) => {
      const roll = random.float();
      if (roll > 0.12 || request.includes("configmaps")) return undefined;
      if (roll < 0.03) return { kind: "status", code: 500 };
      if (roll < 0.06) return { kind: "status", code: 429 };
      return request.startsWith("GET") ? { kind: "status", code: 410 } : { kind: "lose" };
    };
    for (let step = 0; step < 60; step++) {
      const [id = ""] = all.slice(random.int(Math.max(1, all.length)));
      const roll = random.int(10);
      if (roll < 4) {
        all.push(`w${step}`);
        await driver.create("p", spec(`w${step}`));
      } else if (roll < 5) server.say(podOf(id), RUNNING);
      else if (roll < 6) server.say(podOf(id), FAILED);
      else if (roll < 7) server.remove(podOf(id));
      else if (roll < 8) await driver.remove(id, { graceMs: 0 });
      else if (roll < 9) server.cut();
      else
        server.shout(
          random.int(2) === 0 ? "garbage\n" : `${JSON.stringify({ type: "ERROR", object: { code: 410 } })}\n`,
        );
      if (random.int(4) === 0) await systemClock.sleep(random.int(20));
    }
    server.fault = () => undefined;
    server.cut();
    const living = () =>
      all.filter((id) => server.pods.has(podOf(id)) && server.pods.get(podOf(id))?.status !== FAILED);
    await until(async () => String(await ids()) === String(living().sort()), `seed ${seed}: the list is right`, 60_000);
    await until(() => server.pods.size === living().length, `seed ${seed}: ended pods are deleted`);
    for (const id of all) assert.equal(told(id), living().includes(id) ? 0 : 1, `seed ${seed}: ends of ${id}`);
  });
});

describe("Pace", () => {
  it("lets a burst through, and then so many per second", async () => {
    const clock = manualClock();
    const pace = new Pace(clock);
    const signal = new AbortController().signal;
    const at: number[] = [];
    const all = Promise.all(Array.from({ length: 150 }, () => pace.run(async () => void at.push(clock.now()), signal)));
    for (let i = 0; i < 400 && at.length < 150; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(10);
    }
    await all;
    const [first = 0] = at;
    const after = (ms: number) => at.filter((each) => each - first <= ms).length;
    assert.ok(after(0) >= 40 && after(0) <= 51, `${after(0)} at once`);
    assert.ok(after(1_000) <= 102 && after(1_000) >= 90, `${after(1_000)} in the first second`);
    assert.equal(at.length, 150);
  });
});
