/** The ground that tests on Kubernetes without nodes stand on, and Sheaf's image. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { findProgram } from "../kit/program.ts";
import { Cluster } from "./cluster/index.ts";
import { images } from "./images/index.ts";
import { restricted } from "./installed/restricted.ts";
import { describeWithKubernetes, testImages } from "./kit.ts";

const UNPACKED_MAX = 250 << 20;

await describeWithKubernetes("a control plane alone", { forNodes: false }, (programs) => {
  let both: Cluster[] = [];
  before(async () => {
    both = await Promise.all([1, 2].map(() => Cluster.start({ programs, nodes: 0 })));
  });
  after(async () => {
    await Promise.all(both.map((cluster) => cluster.stop()));
    for (const { folder } of both) assert.equal(existsSync(folder), false);
  });

  test("takes objects on loopback, beside another one", async () => {
    for (const cluster of both) {
      assert.match(readFileSync(cluster.kubeconfig, "utf8"), /https:\/\/127\.0\.0\.1:/);
      await cluster.kubectl(["create", "-f", "-"], JSON.stringify(restricted("one", 1, { image: "none" })));
      const phase = await cluster.kubectl(["get", "pod", "one", "-o", "jsonpath={.status.phase}"]);
      assert.equal(phase, "Pending");
      await cluster.kubectl(["delete", "pod", "one", "--now"]);
    }
  });

  test("played nodes run as many pods as one likes", async () => {
    const [cluster] = both as [Cluster];
    const kwok = await findProgram("kwok");
    assert.ok("file" in kwok, "cannot" in kwok ? kwok.cannot : "");
    await cluster.playNodes(5, kwok.file);
    const pods = Array.from({ length: 50 }, (_, i) => restricted(`pod-${i}`, 1, { image: "none" }));
    const list = { apiVersion: "v1", kind: "List", items: pods };
    await cluster.kubectl(["create", "-f", "-"], JSON.stringify(list));
    const running = "jsonpath={.status.phase}=Running";
    await cluster.kubectl(["wait", "pod", "--all", `--for=${running}`, "--timeout=60s"]);
    await cluster.kubectl(["delete", "pod", "pod-7", "--timeout=60s"]);
    const names = await cluster.kubectl(["get", "pods", "--field-selector=status.phase=Running", "-o", "name"]);
    assert.equal(names.trim().split("\n").length, 49);
  });
});

await describeWithKubernetes("Sheaf's image", {}, () => {
  test(`is the same each time that it is made, and at most ${UNPACKED_MAX >> 20} MB`, async () => {
    const [made = ""] = await testImages("sheaf");
    const folder = mkdtempSync(join(tmpdir(), "sheaf-image-"));
    try {
      const [again = ""] = await images(folder, ["sheaf"]);
      assert.ok(readFileSync(made).equals(readFileSync(again)), "two builds differ");
      // Its layers are not compressed: the archive is as large as what is unpacked.
      const { size } = statSync(made);
      console.log(`the image is ${(size / (1 << 20)).toFixed(1)} MB`);
      assert.ok(size <= UNPACKED_MAX, `${size} bytes`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
