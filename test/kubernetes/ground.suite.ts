// The ground that Sheaf stands on in these tests: the cluster itself, and its image in it.

import assert from "node:assert/strict";
import { it } from "node:test";
import { NAMES } from "./images/index.ts";
import { restricted } from "./installed/restricted.ts";
import type { Site } from "./site.ts";

interface NodeStatus {
  readonly metadata: { readonly name: string };
  readonly status: { readonly nodeInfo: { readonly kubeletVersion: string } };
}

export function ground(site: Site): void {
  const kubectl = (args: readonly string[], input?: string) => site.sheaf.cluster.kubectl(args, input);
  const create = (pod: object) => kubectl(["create", "-f", "-"], JSON.stringify(pod));
  const wait = (what: string, condition: string) => kubectl(["wait", what, `--for=${condition}`, "--timeout=60s"]);
  const ended = (pod: string) => wait(`pod/${pod}`, "jsonpath={.status.phase}=Succeeded");

  it("both nodes are Ready, and of the version that was built", async () => {
    const { items } = JSON.parse(await kubectl(["get", "nodes", "-o", "json"]));
    assert.deepEqual(
      items.map((node: NodeStatus) => [node.metadata.name, node.status.nodeInfo.kubeletVersion]),
      ["node1", "node2"].map((name) => [name, "v1.34.4"]),
    );
  });

  it("Sheaf's programs run as any user, on a root that cannot be written", async () => {
    const script =
      "for program in sheaf-master sheaf-merge sheaf-worker sheaf; do $program --help || exit 1; done; id -u";
    await create(restricted("help", 4711, { image: NAMES.sheaf, command: ["sh", "-c", script] }));
    await ended("help");
    const log = await kubectl(["logs", "help"]);
    for (const program of ["sheaf-master", "sheaf-merge", "sheaf-worker", "sheaf"])
      assert.match(log, new RegExp(`^Usage: ${program} `, "m"));
    assert.match(log, /^4711$/m);
  });

  it("what is installed from the image runs beside a user's program in an image without a shell", async () => {
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
    assert.equal(await kubectl(["logs", "bare"]), "2 3 6 /sheaf/in\n");
  });

  it("a service is reached from this machine and from a pod of the other node", async () => {
    const serve = "echo hello >/tmp/index.html; exec httpd -f -p 8080 -h /tmp";
    const readinessProbe = { httpGet: { port: 8080, path: "/" }, periodSeconds: 1 };
    const web = restricted("web", 65532, { image: NAMES.shell, command: ["sh", "-c", serve], readinessProbe }, false);
    await create({
      ...web,
      metadata: { name: "web", labels: { app: "web" } },
      spec: { ...web.spec, nodeName: "node2" },
    });
    await kubectl(["expose", "pod", "web", "--port=80", "--target-port=8080"]);
    await wait("pod/web", "condition=Ready");
    const address = await kubectl(["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]);
    // One that comes before the service's rules are there is not answered at all.
    const ask = `exec 2>/dev/null; until timeout 1 wget -qO- http://${address}/; do sleep 0.1; done`;
    const asker = restricted("asker", 65532, { image: NAMES.shell, command: ["sh", "-c", ask] });
    await create({ ...asker, spec: { ...asker.spec, nodeName: "node1" } });
    await ended("asker");
    assert.equal(await kubectl(["logs", "asker"]), "hello\n");
    assert.equal(await (await fetch(`http://${address}/`)).text(), "hello\n");
  });
}
