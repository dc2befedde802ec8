// A node that loses its power takes its workers with it, without a word: their pods stay Running for Kubernetes for a long time, and
// nobody there answers.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { eventually } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, putFiles, readFiles, waitJob } from "../kit/pipelines.ts";
import { NAMES } from "./images/index.ts";
import { Gate } from "./installed/gate.ts";
import { Installation } from "./installed/installation.ts";
import { describeWithKubernetes } from "./kit.ts";

const POD_MS = 60_000;
/**
 * Nobody says that they are gone. Their sessions end after 5 s; others that are started on that node before Kubernetes takes it for lost
 * (here after 10 s, as it is set up 50) are replaced when it does.
 */
const ELSEWHERE_MS = 90_000;

await describeWithKubernetes("a node that is lost", { forNodes: true }, (programs) => {
  let sheaf: Installation;
  let gate: Gate;
  before(
    async () => {
      sheaf = await Installation.start(programs, 2);
      gate = await Gate.open(sheaf.cluster.hostAddress);
    },
    { timeout: 300_000 },
  );
  after(async () => {
    gate.close();
    await sheaf.stop();
  });

  it("has what its workers held run on the other, and the job is whole", async (t) => {
    const files = new Map(Array.from({ length: 12 }, (_, i): [string, string] => [`/f${i}`, `${i}\n`]));
    await putFiles(sheaf.connection, "lost-in", files);
    await createPipeline(sheaf.connection, {
      name: "lost",
      repo: "lost-in",
      glob: "/*",
      script: `${gate.line} && cp "$SHEAF_INPUT" "$SHEAF_OUT"`,
      workers: 2,
      transform: { image: NAMES.shell },
      spec: { speculation: false },
    });
    await eventually(() => gate.waiting.length === 2, "two workers run a datum each", POD_MS);
    const pods = await sheaf.workers("lost");
    const gone = new Set(pods.filter(({ spec }) => spec.nodeName === "node2").map(({ metadata }) => metadata.name));
    assert.ok(gone.size > 0, "the second node has none of them");
    const held = gate.begun.filter(({ pod }) => gone.has(pod)).map(({ datum }) => datum);
    await sheaf.cluster.killNode(2);
    const lostMs = Date.now();
    gate.letGo();
    const elsewhere = (datum: string) => gate.begun.find((each) => each.datum === datum && !gone.has(each.pod));
    await eventually(() => held.every((datum) => elsewhere(datum) !== undefined), "they begin elsewhere", ELSEWHERE_MS);
    const tookMs = Math.max(...held.map((datum) => elsewhere(datum)?.atMs ?? 0)) - lostMs;
    t.diagnostic(`${gone.size} of 2 workers were on it; what they held began elsewhere after ${tookMs} ms`);
    assertSucceeded(await waitJob(sheaf.connection, "lost"));
    assert.equal((await readFiles(sheaf.connection, "lost")).size, files.size);
  });
});
