/** The ground that the other tests on Kubernetes stand on: the cluster itself, and Sheaf's image in it. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { findProgram } from "../kit/program.ts";
import { Cluster } from "./cluster/index.ts";
import { images, NAMES } from "./images/index.ts";
import { describeWithKubernetes, imagesFolder, testImages } from "./kit.ts";

const UNPACKED_MAX = 250 << 20;
const UNREACHABLE = { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" };

await describeWithKubernetes("a cluster of two nodes", {}, (programs) => {
  let cluster: Cluster;
  before(async () => {
    cluster = await Cluster.start({
      programs,
      nodes: 2,
      images: await testImages("pause", "sheaf", "shell", "bare"),
    });
  });
  after(async () => {
    await cluster?.stop();
    assert.deepEqual(leftovers(), []);
  });

  const create = (pod: object) => cluster.kubectl(["create", "-f", "-"], JSON.stringify(pod));
  const wait = (what: string, condition: string) =>
    cluster.kubectl(["wait", what, `--for=${condition}`, "--timeout=60s"]);
  const ended = (pod: string) => wait(`pod/${pod}`, "jsonpath={.status.phase}=Succeeded");

  test("both nodes are Ready, and of the version that was built", async () => {
    const { items } = JSON.parse(await cluster.kubectl(["get", "nodes", "-o", "json"]));
    assert.deepEqual(
      items.map((node: NodeStatus) => [node.metadata.name, node.status.nodeInfo.kubeletVersion]),
      ["node1", "node2"].map((name) => [name, "v1.34.4"]),
    );
  });

  test("Sheaf's programs run as any user, on a root that cannot be written", async () => {
    const script =
      "for program in sheaf-master sheaf-merge sheaf-worker sheaf; do $program --help || exit 1; done; id -u";
    await create(restricted("help", 4711, { image: NAMES.sheaf, command: ["sh", "-c", script] }));
    await ended("help");
    const log = await cluster.kubectl(["logs", "help"]);
    for (const program of ["sheaf-master", "sheaf-merge", "sheaf-worker", "sheaf"])
      assert.match(log, new RegExp(`^Usage: ${program} `, "m"));
    assert.match(log, /^4711$/m);
  });

  test("what is installed from the image runs beside a user's program in an image without a shell", async () => {
    const volumeMounts = [{ name: "sheaf", mountPath: "/sheaf" }];
    const command = ["/bin/busybox", "sh", "-c", "cp -R /opt/sheaf/user/. /sheaf"];
    const user = ["/sheaf/busybox", "sh", "-c", "printf 'a b\\nc\\n' >/sheaf/in && /count /sheaf/in"];
    const pod = restricted("bare", 65532, { image: NAMES.bare, command: user, volumeMounts });
    await create({
      ...pod,
      spec: {
        ...pod.spec,
        volumes: [{ name: "sheaf", emptyDir: {} }],
        initContainers: [{ ...pod.spec.containers[0], name: "install", image: NAMES.sheaf, command }],
      },
    });
    await ended("bare");
    assert.equal(await cluster.kubectl(["logs", "bare"]), "2 3 6 /sheaf/in\n");
  });

  test("a service is reached from this machine and from a pod of the other node", async () => {
    const serve = "echo hello >/tmp/index.html; exec httpd -f -p 8080 -h /tmp";
    const readinessProbe = { httpGet: { port: 8080, path: "/" }, periodSeconds: 1 };
    const web = restricted("web", 65532, { image: NAMES.shell, command: ["sh", "-c", serve], readinessProbe }, false);
    await create({
      ...web,
      metadata: { name: "web", labels: { app: "web" } },
      spec: { ...web.spec, nodeName: "node2" },
    });
    await cluster.kubectl(["expose", "pod", "web", "--port=80", "--target-port=8080"]);
    await wait("pod/web", "condition=Ready");
    const address = await cluster.kubectl(["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]);
    const ask = `until wget -qO- http://${address}/; do sleep 0.1; done`;
    const asker = restricted("asker", 65532, { image: NAMES.shell, command: ["sh", "-c", ask] });
    await create({ ...asker, spec: { ...asker.spec, nodeName: "node1" } });
    await ended("asker");
    assert.equal(await cluster.kubectl(["logs", "asker"]), "hello\n");
    assert.equal(await (await fetch(`http://${address}/`)).text(), "hello\n");
  });

  test("a node that loses its power is gone at once, and comes back with its images", async () => {
    const sleeper = (name: string) => {
      const pod = restricted(name, 65532, { image: NAMES.shell, command: ["sleep", "1000"] }, false);
      const tolerations = [{ ...UNREACHABLE, tolerationSeconds: 1 }];
      return { ...pod, spec: { ...pod.spec, nodeName: "node2", tolerations, terminationGracePeriodSeconds: 1 } };
    };
    await create(sleeper("lost"));
    await wait("pod/lost", "condition=Ready");
    await cluster.killNode(2);
    await wait("node/node2", "condition=Ready=Unknown");
    await wait("pod/lost", "jsonpath={.metadata.deletionTimestamp}");
    await cluster.startNode(2);
    await wait("node/node2", "condition=Ready");
    await wait("pod/lost", "delete");
    await create(sleeper("found"));
    await wait("pod/found", "condition=Ready");
  });
});

await describeWithKubernetes("a run that is killed", {}, (programs) => {
  test("leaves no process, and the next run cleans what else there is", async () => {
    const env = { ...process.env, SHEAF_TEST_IMAGES: imagesFolder() };
    const killed = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), "--up"], { env });
    killed.stderr.pipe(process.stderr);
    let said = "";
    for await (const text of killed.stdout) {
      said += text;
      if (said.includes("KUBECONFIG")) break;
    }
    assert.match(said, /KUBECONFIG/, "it ended before its cluster ran");
    killed.kill("SIGKILL");
    await once(killed, "exit");
    assert.ok(leftovers().some((one) => one.includes("sheaf-nodes")));
    const cluster = await Cluster.start({ programs, images: await testImages("pause") });
    await cluster.stop();
    assert.deepEqual(leftovers(), []);
  });
});

await describeWithKubernetes("a control plane alone", { forNodes: false }, (programs) => {
  test("takes objects on loopback, beside another one, and leaves nothing", async () => {
    const both = await Promise.all([1, 2].map(() => Cluster.start({ programs, nodes: 0 })));
    try {
      for (const cluster of both) {
        assert.match(readFileSync(cluster.kubeconfig, "utf8"), /https:\/\/127\.0\.0\.1:/);
        await cluster.kubectl(["create", "-f", "-"], JSON.stringify(restricted("one", 1, { image: "none" })));
        const phase = await cluster.kubectl(["get", "pod", "one", "-o", "jsonpath={.status.phase}"]);
        assert.equal(phase, "Pending");
      }
    } finally {
      await Promise.all(both.map((cluster) => cluster.stop()));
    }
    for (const { folder } of both) assert.equal(existsSync(folder), false);
  });

  test("played nodes run as many pods as one likes", async () => {
    const kwok = await findProgram("kwok");
    assert.ok("file" in kwok, "cannot" in kwok ? kwok.cannot : "");
    const cluster = await Cluster.start({ programs, nodes: 0 });
    try {
      await cluster.playNodes(5, kwok.file);
      const pods = Array.from({ length: 50 }, (_, i) => restricted(`pod-${i}`, 1, { image: "none" }));
      const list = { apiVersion: "v1", kind: "List", items: pods };
      await cluster.kubectl(["create", "-f", "-"], JSON.stringify(list));
      const running = "jsonpath={.status.phase}=Running";
      await cluster.kubectl(["wait", "pod", "--all", `--for=${running}`, "--timeout=60s"]);
      await cluster.kubectl(["delete", "pod", "pod-7", "--timeout=60s"]);
      const names = await cluster.kubectl(["get", "pods", "--field-selector=status.phase=Running", "-o", "name"]);
      assert.equal(names.trim().split("\n").length, 49);
    } finally {
      await cluster.stop();
    }
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

interface NodeStatus {
  readonly metadata: { readonly name: string };
  readonly status: { readonly nodeInfo: { readonly kubeletVersion: string } };
}

/** A pod of one container, as the strictest rules of Kubernetes want it. */
function restricted(name: string, user: number, container: object, readOnly = true) {
  const security = {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    readOnlyRootFilesystem: readOnly,
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: user,
        runAsGroup: user,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [{ name: "only", imagePullPolicy: "Never", securityContext: security, ...container }],
    },
  };
}

/** What of a cluster is on the machine. */
function leftovers(): string[] {
  const links = execFileSync("ip", ["-o", "link"], { encoding: "utf8" }).split("\n");
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const processes = globSync("/proc/[0-9]*/cmdline").filter((file) => commandLine(file).includes("sheaf-kubernetes/"));
  return [
    ...links.filter((line) => line.includes("sheaf-node")),
    ...mounts.filter((line) => /sheaf-(kubernetes|node)/.test(line)),
    ...globSync(["/sys/fs/cgroup/**/sheaf-node*", join(tmpdir(), "sheaf-kubernetes"), "/run/netns/sheaf-node*"]),
    ...processes.map(commandLine),
  ];
}

function commandLine(file: string): string {
  try {
    return readFileSync(file, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // It has ended.
  }
}
