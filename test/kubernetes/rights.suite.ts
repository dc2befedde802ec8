// Who may do what in the cluster, who knows what, and that nothing is left of an installation that is removed.

import assert from "node:assert/strict";
import { it } from "node:test";
import { assertSucceeded, putFiles, readFiles, runPipeline } from "../kit/pipelines.ts";
import { SERVICES, WORKERS } from "./installed/installation.ts";
import { files, type Site } from "./site.ts";

export function rights(site: Site): void {
  it("gives the user's container no credential", async () => {
    const script = `{ env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; cat /proc/self/mounts; ls -laR /var/run /run /sheaf /etc 2>&1
      find / -xdev -type f -size -64k ! -path '/proc/*' ! -path '/sys/*' -exec cat {} + 2>/dev/null
      echo "api: $(knock https://10.96.0.1/api/v1/namespaces/sheaf/secrets)"
      echo "store: $(knock "http://s3.sheaf.svc.cluster.local:9000/sheaf?list-type=2")"; } > "$SHEAF_OUT/seen"`;
    await putFiles(site.sheaf.connection, "spy-in", files(1));
    assertSucceeded(await runPipeline(site.sheaf.connection, { ...site.gated("spy"), script }));
    const seen = (await readFiles(site.sheaf.connection, "spy")).get("/seen")?.toString("latin1") ?? "";
    assert.match(seen, /SHEAF_DATUM_ID=/);
    assert.match(seen, /api: .*40[13]/);
    assert.match(seen, /store: .*403/);
    for (const secret of await secrets(site)) assert.ok(!seen.includes(secret), "a secret was seen");
    assert.doesNotMatch(seen, /PRIVATE KEY|AWS_|SHEAF_TLS|SHEAF_TOKEN|serviceaccount\/token/);
    await site.remove("spy");
  });

  it("may do no more than it has to", async () => {
    const list = async (account: string, namespace: string) => {
      const text = await site.kubectl(
        "auth",
        "can-i",
        "--list",
        `--as=system:serviceaccount:${account}`,
        "-n",
        namespace,
      );
      // What every account has: to ask about itself and to read the API's own pages.
      const lines = text
        .split("\n")
        .slice(1)
        .filter((line) => !/^selfsubject|^ +\[|^$/.test(line));
      return lines.map((line) => line.replaceAll(/ +/g, " ").trim()).sort();
    };
    const nodes = "nodes [] [] [list watch]";
    assert.deepEqual(await list("sheaf:sheaf-master", WORKERS), [
      "configmaps [] [sheaf-installation] [get]",
      nodes,
      "pods [] [] [create list watch delete]",
    ]);
    assert.deepEqual(await list("sheaf:sheaf-master", SERVICES), [nodes]);
    for (const account of ["sheaf:sheaf-merge", "sheaf-workers:default"]) {
      for (const namespace of [WORKERS, SERVICES]) assert.deepEqual(await list(account, namespace), [], account);
    }
  });

  it("is removed with all that it made", async () => {
    await putFiles(site.sheaf.connection, "left-in", files(1));
    site.gate.letGo();
    assertSucceeded(await runPipeline(site.sheaf.connection, site.gated("left")));
    assert.equal((await site.sheaf.workers("left")).length, 1);
    await site.kubectl("delete", "deployment", "-n", SERVICES, "sheaf-master");
    await site.kubectl("delete", "configmap", "-n", WORKERS, "sheaf-installation");
    await site.whenGone("left");
  });
}

/** All values of all Secrets, as they are and as they are stored. */
async function secrets(site: Site): Promise<string[]> {
  const found = JSON.parse(await site.kubectl("get", "secrets", "-A", "-o", "json")) as {
    items: { data?: Record<string, string> }[];
  };
  const stored = found.items.flatMap(({ data = {} }) => Object.values(data));
  return stored
    .flatMap((value) => [value, Buffer.from(value, "base64").toString("latin1")])
    .filter(({ length }) => length > 12);
}
