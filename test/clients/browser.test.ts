// The client for browsers in a real one: a page of another origin, with all that a browser demands (preflights, exposed headers), and a
// connection that breaks.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type ConnectOptions, connect } from "@sheaf/client";
import { TestCluster } from "../kit/cluster.ts";
import { FaultProxy } from "../kit/fault-proxy.ts";
import { programFor } from "../kit/program.ts";
import { pageServer } from "./browser/page-server.ts";

const FLAGS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"],
  "--ignore-certificate-errors", // a page cannot say whose authority is to be trusted
  "--enable-logging=stderr",
];
/** Above a MiB a file comes in chunks, with its hash at the end. */
const BIG = "big\n".repeat(750_000);
const CLIENT = join(import.meta.dirname, "..", "..", "libs", "client");

const program = await programFor("the tests in a browser", "chromium");

interface Browser {
  /** When it ends by itself: as a result of the page. */
  readonly ended: Promise<string>;
  readonly errors: () => string;
  close(): Promise<unknown>;
}

function open(address: string, profile: string): Browser {
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
  const close = () => {
    process.kill(-(child.pid ?? 0), "SIGKILL");
    return ended;
  };
  return { ended, errors: () => errors, close };
}

/** What there is before the page comes: files, and a pipeline whose job is done. */
async function prepare(address: string, options: ConnectOptions, folder: string): Promise<void> {
  mkdirSync(folder);
  for (const [name, text] of [
    ["a", "a\n"],
    ["b", "b\n"],
    ["big", BIG],
  ] as const)
    writeFileSync(join(folder, name), text);
  const client = connect(address, options);
  await client.rpc.repo.createRepo({ name: "in" });
  await client.putFolder("in", "master", folder);
  await client.submit({
    pipeline: { name: "status-codes" },
    input: { pfs: { repo: "in", glob: "/*" } },
    transform: { cmd: ["sh", "-c", 'basename "$SHEAF_INPUT" > "$SHEAF_OUT/status"'] },
  });
  await client.waitJob("status-codes", { firstJobMs: 10_000 });
  client.close();
}

const skip = program === undefined ? "no chromium" : false;
test("the client of browsers, in Chromium, in plain text", { skip }, () => inChromium(false));
test("the client of browsers, in Chromium, over TLS and with a token", { skip }, () => inChromium(true));

async function inChromium(secure: boolean): Promise<void> {
  const { promise: told, resolve: tell } = Promise.withResolvers<string>();
  const profile = mkdtempSync(join(tmpdir(), "sheaf-browser-"));
  const go = join(profile, "go");
  let proxy: FaultProxy | undefined;
  const pages = pageServer({
    refuse: () => proxy?.set("refuse"),
    mend: () => proxy?.set("pass"),
    go: () => writeFileSync(go, ""),
    tell,
  }).listen(0, "127.0.0.1");
  await once(pages, "listening");
  const origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  let cluster: TestCluster | undefined;
  let browser: Browser | undefined;
  try {
    cluster = await TestCluster.startMany({ secure, env: { SHEAF_BROWSER_ORIGINS: origin } });
    proxy = await FaultProxy.before(cluster.address);
    const scheme = secure ? "https" : "http";
    const token = secure ? cluster.security.tokenOf("editor").reveal() : "";
    const options = secure ? { ca: cluster.security.caFile, token } : {};
    await prepare(`${scheme}://${cluster.address}`, { ...options, env: {} }, join(profile, "files"));
    const query = new URLSearchParams({ cluster: `${scheme}://${proxy.address}`, go, token });
    browser = open(`${origin}/?${query}`, profile);
    const { agent, ...seen } = JSON.parse(await Promise.race([told, browser.ended]));
    assert.deepEqual(
      seen,
      {
        description: "ü",
        refused: { code: "INVALID_ARGUMENT", reason: "REPO_INVALID", fields: ["name"] },
        upload: { code: "UNIMPLEMENTED", reason: "NO_UPLOADS", fields: [] },
        job: { broken: ["UNAVAILABLE UNREACHABLE"], wentOn: true, end: "succeeded" },
        lines: ["a", "b", "big"],
        datums: { pages: [2, 1], rows: ["success", "success", "success"] },
        words: "a\t1\nb\t1\nbig\t750000\n",
        big: { length: BIG.length, isWhole: true },
        calledOff: { code: "CANCELLED", reason: "CALLED_OFF", fields: [] },
        sample: "a\nb\nbig\n",
        said: "succeeded",
        together: secure ? 8 : null,
      },
      browser.errors(),
    );
    assert.match(agent, /Chrome\//);
  } finally {
    await browser?.close();
    pages.closeAllConnections();
    pages.close();
    await proxy?.close();
    await cluster?.stop();
    rmSync(profile, { recursive: true, force: true });
  }
}

test("the README of the client shows what the page runs", () => {
  const read = (name: string) => readFileSync(join(CLIENT, name), "utf8");
  assert.ok(read("README.md").includes(read(join("samples", "browser.ts"))));
});
