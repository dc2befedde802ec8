// The driver of pods against a real API server, scheduler and controllers; the test plays the node. Needs no root.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import {
  kubernetesProvisioner,
  NO_NEEDS,
  NO_RESOURCES,
  type Place,
  type Provisioner,
  provisionerSuite,
  type WorkerExit,
  type WorkerHandle,
  type WorkerNeeds,
} from "@sheaf/provision";
import { systemClock, systemRandom, testLogger } from "@sheaf/runtime";
import { Cluster } from "./cluster/index.ts";
import { describeWithKubernetes } from "./kit.ts";
import { PlayedNode } from "./played-node.ts";

const newWorker = (needs: Partial<WorkerNeeds> = {}) => ({
  ...{ id: randomUUID().replaceAll("-", ""), slots: 1, masters: ["10.0.0.1:7451"], mergers: ["10.0.0.2:7461"] },
  ...{ store: "s3://bucket/prefix", needs: { ...NO_NEEDS, ...needs } },
});

/** Resolves with what `read` says when it says something, looking at each change. */
async function when<T>(driver: Provisioner, read: (all: readonly WorkerHandle[]) => T | undefined): Promise<T> {
  for (;;) {
    const changed = new Promise<void>((resolve) => {
      const off = driver.onChange(() => {
        off();
        resolve();
      });
    });
    const found = read(await driver.list());
    if (found !== undefined) return found;
    await changed;
  }
}

await describeWithKubernetes("workers as pods", { forNodes: false }, (programs) => {
  let cluster: Cluster;
  let node: PlayedNode;
  let namespaces = 0;

  before(async () => {
    cluster = await Cluster.start({ programs, nodes: 0 });
  });
  after(() => cluster?.stop());

  /** A namespace of its own, restricted, with the object that owns the pods. */
  async function newNamespace(): Promise<string> {
    const name = `workers-${++namespaces}`;
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await node.api.createNamespace({ body: { metadata: { name, labels } } });
    await newInstallation(name);
    await until(async () => (await node.api.listNamespacedServiceAccount({ namespace: name })).items.length > 0);
    return name;
  }

  async function newInstallation(namespace: string, name = "sheaf-installation"): Promise<void> {
    await node.api.createNamespacedConfigMap({ namespace, body: { metadata: { name } } });
  }

  function open(
    namespace: string,
    options: { readonly cluster?: string; readonly installation?: string } = {},
  ): Provisioner {
    process.env["KUBECONFIG"] = cluster.kubeconfig;
    return kubernetesProvisioner({
      ...{
        cluster: "test",
        namespace,
        installation: "sheaf-installation",
        image: "sheaf:test",
        defaultImage: "sheaf:test",
      },
      ...{ secret: undefined, allowRoot: false, log: testLogger(), clock: systemClock, random: systemRandom },
      ...options,
    });
  }

  async function newPlace(): Promise<Place & { readonly namespace: string }> {
    const played = `node-${namespaces + 1}`;
    node = new PlayedNode(cluster.kubeconfig, `workers-${namespaces + 1}`, played);
    const own = node;
    await own.start();
    const namespace = await newNamespace();
    return {
      namespace,
      open: () => open(namespace),
      lives: async (id) => own.lives(id),
      ready: (id) => until(async () => own.lives(id)),
      kill: async (id) => {
        await until(async () => own.lives(id));
        await own.kill(id);
      },
      dispose: async () => {
        await own.stop();
        const gracePeriodSeconds = 0;
        await own.api.deleteCollectionNamespacedPod({ namespace, gracePeriodSeconds });
      },
    };
  }

  provisionerSuite("pods of Kubernetes", newPlace);

  describe("a driver of pods", () => {
    let place: Awaited<ReturnType<typeof newPlace>>;
    let driver: Provisioner;

    before(async () => {
      place = await newPlace();
      driver = place.open();
    });
    after(async () => {
      await driver?.close();
      await place?.dispose();
    });

    it("V3: another installation in the same namespace sees and ends nothing of this one", async () => {
      await newInstallation(place.namespace, "other");
      const others = [open(place.namespace, { installation: "other" }), open(place.namespace, { cluster: "test2" })];
      const worker = newWorker();
      await driver.create("good", worker);
      for (const other of others) {
        assert.deepEqual(await other.list(), []);
        await other.remove(worker.id, { graceMs: 0 });
        await other.close();
      }
      assert.deepEqual(
        (await driver.list()).map(({ id }) => id),
        [worker.id],
      );
      await driver.remove(worker.id, { graceMs: 1_000 });
    });

    it("says within 10 s that there is no such image, and that no node has room", async () => {
      const begun = systemClock.now();
      const [lost, huge] = [
        newWorker({ image: "no/such:1" }),
        newWorker({ requests: { ...NO_RESOURCES, cpu: 1_000 } }),
      ];
      await Promise.all([driver.create("no-image", lost), driver.create("good", huge)]);
      const troubles = await when(driver, (all) => {
        const said = [lost, huge].map(({ id }) => all.find((each) => each.id === id)?.trouble);
        return said.includes(undefined) ? undefined : said;
      });
      assert.match(troubles[0] ?? "", /^image "no\/such:1" cannot be pulled: not found; correct transform.image/);
      assert.match(
        troubles[1] ?? "",
        /^no node can take its pod: 0\/1 nodes are available: .*Insufficient cpu.*lower resource_requests/,
      );
      assert.ok(systemClock.now() - begun < 10_000, `after ${systemClock.now() - begun} ms`);
      for (const { id } of [lost, huge]) await driver.remove(id, { graceMs: 1_000 });
    });

    it("says that the quota leaves no room, and that Pod Security does not allow root", async () => {
      const { namespace } = place;
      await node.api.createNamespacedResourceQuota({
        namespace,
        body: { metadata: { name: "none" }, spec: { hard: { pods: "0" } } },
      });
      // The quota holds as soon as the controllers have counted.
      await until(async () => {
        const quota = await node.api.readNamespacedResourceQuota({ name: "none", namespace });
        return quota.status?.hard !== undefined;
      });
      await assert.rejects(driver.create("good", newWorker()), /quota leaves no room .*raise the ResourceQuota/);
      await node.api.deleteNamespacedResourceQuota({ name: "none", namespace });
      const rooted = kubernetesProvisioner({
        ...{
          cluster: "test",
          namespace,
          installation: "sheaf-installation",
          image: "sheaf:test",
          defaultImage: "sheaf:test",
        },
        ...{ secret: undefined, allowRoot: true, log: testLogger(), clock: systemClock, random: systemRandom },
      });
      await assert.rejects(rooted.create("good", newWorker({ user: "0" })), /Pod Security does not allow the pod/);
      await rooted.close();
    });

    it("counts the nodes that are ready and take pods, and tells when they come and go", async () => {
      const nodesAre = (count: number) => when(driver, () => (driver.nodes() === count ? true : undefined));
      await nodesAre(1);
      const second = new PlayedNode(cluster.kubeconfig, place.namespace, "second");
      await second.start();
      await nodesAre(2);
      await second.stop();
      await nodesAre(1);
    });

    it("a pod that somebody deletes was taken, and its end is told once", async () => {
      const exits: WorkerExit[] = [];
      driver.onExit((exit) => exits.push(exit));
      const worker = newWorker();
      await driver.create("good", worker);
      await place.ready(worker.id);
      await node.api.deleteNamespacedPod({ name: `sheaf-worker-${worker.id}`, namespace: place.namespace });
      await when(driver, (all) => (all.some(({ id }) => id === worker.id) ? undefined : true));
      assert.deepEqual(
        exits.map(({ id, asked, taken, why }) => ({ id, asked, taken, why })),
        [{ id: worker.id, asked: false, taken: true, why: "its pod was deleted" }],
      );
    });

    it("a pod that shall go on a node that is not heard counts as gone after its grace, and is not deleted by force", async () => {
      const worker = newWorker();
      await driver.create("good", worker);
      await place.ready(worker.id);
      node.silent = true;
      await node.ready(false);
      await driver.remove(worker.id, { graceMs: 1_000 });
      assert.deepEqual(await driver.list(), []);
      const pod = await node.api.readNamespacedPod({ name: `sheaf-worker-${worker.id}`, namespace: place.namespace });
      assert.ok(pod.metadata?.deletionTimestamp, "it is still there, and shall go");
      await node.ready(true);
      node.silent = false;
    });

    it("pods go with the installation that owns them", async () => {
      const worker = newWorker();
      await driver.create("good", worker);
      await node.api.deleteNamespacedConfigMap({ name: "sheaf-installation", namespace: place.namespace });
      await when(driver, (all) => (all.length === 0 ? true : undefined));
      await newInstallation(place.namespace);
    });
  });
});

async function until(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await systemClock.sleep(20);
}
