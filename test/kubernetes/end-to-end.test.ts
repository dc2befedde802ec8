// Sheaf on a real Kubernetes of two nodes, installed as a user installs it: the same jobs as on a laptop, in pods that come, go and die.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { beside } from "./beside.suite.ts";
import { deaths } from "./deaths.suite.ts";
import { ground } from "./ground.suite.ts";
import { jobs } from "./jobs.suite.ts";
import { describeWithKubernetes, imagesFolder } from "./kit.ts";
import { killedRun, leftovers } from "./leftovers.ts";
import { outages } from "./outages.suite.ts";
import { rights } from "./rights.suite.ts";
import { scaling } from "./scaling.suite.ts";
import { Site } from "./site.ts";

await describeWithKubernetes("Sheaf on Kubernetes", { forNodes: true }, (programs) => {
  // What it leaves this one has to clear away, and leaves nothing itself.
  before(() => killedRun(imagesFolder()));
  const site = new Site(programs);
  after(() => assert.deepEqual(leftovers(), []));
  ground(site);
  jobs(site);
  scaling(site);
  beside(site);
  outages(site);
  deaths(site);
  // Last: it removes what is installed.
  rights(site);
});
