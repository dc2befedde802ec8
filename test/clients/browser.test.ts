// gRPC-Web from a real browser: a page of another origin, with all that a browser demands (preflights, exposed headers).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { api } from "@sheaf/proto";
import { freePorts, TestCluster } from "../kit/cluster.ts";
import { createPipeline, jobOf, putFiles } from "../kit/pipelines.ts";
import { programFor } from "../kit/program.ts";
import { pageServer } from "./browser/page-server.ts";

const FLAGS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"],
];

const program = await programFor("the tests in a browser", "chromium");

test("gRPC-Web from Chromium", { skip: program === undefined ? "no chromium" : false }, async () => {
  const [port = 0] = await freePorts(1);
  const origin = `http://127.0.0.1:${port}`;
  const { promise: told, resolve: tell } = Promise.withResolvers<string>();
  const pages = pageServer(tell).listen(port, "127.0.0.1");
  const cluster = await TestCluster.start({ SHEAF_BROWSER_ORIGINS: origin });
  const profile = mkdtempSync(join(tmpdir(), "sheaf-browser-"));
  const connection = cluster.connection();
  const made = await putFiles(connection, "in", new Map([["/a", "1\n"]]));
  await createPipeline(connection, { name: "words", repo: "in", glob: "/*", script: "true" });
  await jobOf(connection, "words", made);
  connection.close();

  const address = `${origin}/?cluster=${encodeURIComponent(`http://${cluster.address}`)}`;
  const child = spawn(program ?? "", [...FLAGS, `--user-data-dir=${profile}`, address], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk;
  });
  const ended = new Promise<string>((resolve) =>
    child.once("exit", () => resolve(`{"failure":"it ended: ${child.exitCode}"}`)),
  );
  try {
    const { agent, ...seen } = JSON.parse(await Promise.race([told, ended]));
    assert.deepEqual(
      seen,
      {
        description: "ü",
        states: [api.JobState.SUCCEEDED],
        code: "InvalidArgument",
        reason: "REPO_INVALID",
        field: "name",
      },
      errors,
    );
    assert.match(agent, /Chrome\//);
  } finally {
    process.kill(-(child.pid ?? 0), "SIGKILL");
    await ended;
    pages.closeAllConnections();
    pages.close();
    await cluster.stop();
    rmSync(profile, { recursive: true, force: true });
  }
});
