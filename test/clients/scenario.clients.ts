// Every case in every language: against what it expects, and the languages against each other.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { FakeCluster } from "@sheaf/client";
import { TestCluster } from "../kit/cluster.ts";
import { FaultProxy } from "../kit/fault-proxy.ts";
import { answeringMachine } from "./answering-machine.ts";
import { readCases, readKnownFailures } from "./cases.ts";
import { cannotRun, Driver, LANGUAGES, type Language } from "./driver.ts";
import { Place } from "./place.ts";

let cluster: TestCluster;
let proxy: FaultProxy;
let fake: FakeCluster;
let root: string;
const drivers = new Map<Language, Driver>();

before(async () => {
  root = mkdtempSync(join(tmpdir(), "sheaf-clients-"));
  [cluster, fake] = await Promise.all([TestCluster.start(), answeringMachine()]);
  proxy = await FaultProxy.before(cluster.address);
  for (const language of LANGUAGES) if (!cannotRun(language)) drivers.set(language, new Driver(language));
});
after(async () => {
  const said = await Promise.all(
    [...drivers].map(async ([language, driver]) => [language, await driver.end()] as const),
  );
  await proxy?.close();
  await fake?.[Symbol.asyncDispose]();
  await cluster?.stop();
  rmSync(root, { recursive: true, force: true });
  for (const [language, stderr] of said) assert.equal(stderr, "", `the ${language} driver wrote to standard error`);
});

const known = readKnownFailures();
const cases = readCases();

for (const [number, each] of cases.entries())
  describe(each.case, () => {
    const transcripts = new Map<Language, unknown[]>();
    for (const language of LANGUAGES) {
      const cannot = cannotRun(language);
      test(language, { skip: cannot ?? false }, async () => {
        const driver = drivers.get(language);
        assert.ok(driver);
        const folder = join(root, `${number}-${language}`);
        const place = new Place(
          driver,
          { cluster: cluster.address, fake: fake.address, proxy },
          folder,
          `${language}-${number}`,
        );
        const expectation = known.find((failure) => failure.language === language && failure.case === each.case);
        const run = place.run(each);
        if (expectation === undefined) transcripts.set(language, await run);
        else await assert.rejects(run, `it passes now: take it off the list (${expectation.because})`);
      });
    }
    test("all say the same", () => {
      const [first, ...rest] = [...transcripts];
      for (const [language, transcript] of rest)
        assert.deepEqual(transcript, first?.[1], `${language} and ${first?.[0]}`);
    });
  });

test("the list of known failures names cases and languages that there are", () => {
  for (const failure of known) {
    assert.ok(
      cases.some((each) => each.case === failure.case),
      failure.case,
    );
    assert.ok(LANGUAGES.includes(failure.language), failure.language);
  }
});
