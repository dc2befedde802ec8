/** What the tests on an installation share: the installation, a gate for each of them, and pipelines whose commands pass it. */
import { after, afterEach, before, beforeEach } from "node:test";
import { api } from "@sheaf/proto";
import { eventually } from "../kit/cluster.ts";
import type { PipelineOptions } from "../kit/pipelines.ts";
import { NAMES } from "./images/index.ts";
import { Gate } from "./installed/gate.ts";
import { Installation } from "./installed/installation.ts";
import type { Programs } from "./programs.ts";

/** No pod takes longer to come or to go, unless something is wrong. */
export const POD_MS = 60_000;
export const SHELL = { image: NAMES.shell };
const START_MS = 300_000;

/** Files f0, f1, ... with a content each. */
export const files = (count: number, name = "f") =>
  new Map(Array.from({ length: count }, (_, i): [string, string] => [`/${name}${i}`, `${i}\n`]));

export const scaled = (limit: number) => ({
  spec: { autoscaling: true, parallelismSpec: { constant: BigInt(limit) }, speculation: false },
});

export class Site {
  #sheaf: Installation | undefined;
  #gate: Gate | undefined;

  /** To be called in `describe`: its hooks are those of all tests there. */
  constructor(programs: Programs) {
    before(
      async () => {
        this.#sheaf = await Installation.start(programs);
      },
      { timeout: START_MS },
    );
    after(() => this.#sheaf?.stop());
    beforeEach(async () => {
      this.#gate = await Gate.open(this.sheaf.cluster.hostAddress);
    });
    afterEach(() => {
      this.gate.letGo();
      this.gate.close();
    });
  }

  get sheaf(): Installation {
    if (this.#sheaf === undefined) throw new Error("Sheaf is not installed");
    return this.#sheaf;
  }

  /** Of the test that runs. */
  get gate(): Gate {
    if (this.#gate === undefined) throw new Error("no test runs");
    return this.#gate;
  }

  /** A pipeline on the repo `NAME-in` whose command passes the gate and copies its input. */
  gated(name: string, more: Partial<PipelineOptions> = {}): PipelineOptions {
    return {
      ...{ name, repo: `${name}-in`, glob: "/*", script: `${this.gate.line} && cp "$SHEAF_INPUT" "$SHEAF_OUT"` },
      ...more,
      transform: { ...SHELL, ...more.transform },
      // A gate makes stragglers of all that wait at it.
      spec: { speculation: false, ...more.spec },
    };
  }

  kubectl(...args: string[]): Promise<string> {
    return this.sheaf.cluster.kubectl(args);
  }

  async createRepo(name: string): Promise<void> {
    await this.sheaf.connection.client(api.RepoService).createRepo({ name });
  }

  async whenGone(pipeline: string): Promise<void> {
    const none = async () => (await this.sheaf.workerPods(pipeline)).length === 0;
    await eventually(none, `the pods of ${pipeline} are gone`, POD_MS);
  }

  /** Its pods go while the next test begins. */
  async remove(pipeline: string): Promise<void> {
    await this.sheaf.connection.client(api.PipelineService).deletePipeline({ name: pipeline });
  }
}
