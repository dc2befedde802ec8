// A cluster in TLS whose API wants tokens, in every language: CA and token come from the environment, as an administrator would give them.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { TestCluster } from "../kit/cluster.ts";
import { readCaseFile } from "./cases.ts";
import { cannotRun, Driver, type Failure, LANGUAGES, type Language } from "./driver.ts";
import { Place } from "./place.ts";

let cluster: TestCluster;
let root: string;
/** Of a user who may change and run, and not delete repos; and of nobody. */
const editors = new Map<Language, Driver>();
const nobodies = new Map<Language, Driver>();
/** Their CA file holds the key of a certificate, and no certificate. */
const misled = new Map<Language, Driver>();

const able = LANGUAGES.filter((language) => cannotRun(language) === undefined);

before(async () => {
  root = mkdtempSync(join(tmpdir(), "sheaf-secure-clients-"));
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(join(root, "no-ca.crt"), privateKey.export({ type: "pkcs8", format: "pem" }));
  cluster = await TestCluster.startMany({ secure: true });
  const { security } = cluster;
  for (const language of able) {
    const SHEAF_TOKEN = security.tokenOf("editor").reveal();
    editors.set(language, new Driver(language, { SHEAF_CA: security.caFile, SHEAF_TOKEN }));
    nobodies.set(language, new Driver(language, { SHEAF_CA: security.caFile }));
    misled.set(language, new Driver(language, { SHEAF_CA: join(root, "no-ca.crt") }));
  }
});
after(async () => {
  const drivers = [...editors.values(), ...nobodies.values(), ...misled.values()];
  const said = await Promise.all(drivers.map(async (driver) => [driver.language, await driver.end()] as const));
  await cluster?.stop();
  rmSync(root, { recursive: true, force: true });
  for (const [language, stderr] of said) assert.equal(stderr, "", `the ${language} driver wrote to standard error`);
});

/** As much of a call, an upload and a stream of answers as comes before it is refused. */
const TRIED = {
  call: { op: "call", method: "repo.InspectRepo", request: { name: "secret-repo" } },
  upload: { op: "put", repo: "secret-repo", folder: import.meta.dirname },
  stream: { op: "watch", pipeline: "secret-pipeline" },
};

async function refusalOf(driver: Driver, step: object): Promise<Failure> {
  const outcome = await driver.begin({ address: `https://${cluster.address}`, ...step }).outcome;
  assert.ok("error" in outcome, `it was let in: ${JSON.stringify(outcome)}`);
  return outcome.error;
}

/** One line for a person, which tells nothing that the caller may not know. */
function assertClean({ message }: Failure): void {
  assert.match(message, /^[\x20-\x7e]{1,300}$/);
  assert.doesNotMatch(message, /secret|\bat .*:\d+|Exception|status = /);
  for (const secret of cluster.security.secrets()) assert.ok(!message.includes(secret));
}

const WHOLE_JOB = readCaseFile("1-a-job.yaml").slice(0, 1);
const transcripts = new Map<Language, unknown[]>();

// Side by side: a job is mostly waiting, and so is the start of a driver.
describe("in TLS", { concurrency: true }, () => {
  for (const language of LANGUAGES) {
    const skip = cannotRun(language) ?? false;
    for (const each of WHOLE_JOB)
      test(`${language}, with a token: ${each.case}`, { skip }, async () => {
        const driver = editors.get(language) ?? assert.fail(language);
        const addresses = { cluster: `https://${cluster.address}` };
        transcripts.set(language, await new Place(driver, addresses, join(root, language), language).run(each));
      });

    test(`${language}, without a token: nothing is answered, and it is said what is missing`, { skip }, async () => {
      const driver = nobodies.get(language) ?? assert.fail(language);
      for (const [what, step] of Object.entries(TRIED)) {
        const refused = await refusalOf(driver, step);
        const { code, reason, fields, message } = refused;
        assert.deepEqual([code, reason, fields], ["UNAUTHENTICATED", "TOKEN_MISSING", []], `${what}: ${message}`);
        assert.match(message, /SHEAF_TOKEN/);
        assertClean(refused);
      }
    });

    test(`${language}, with a CA file that holds no certificate: nobody is called, and the file is named`, {
      skip,
    }, async () => {
      const driver = misled.get(language) ?? assert.fail(language);
      const refused = await refusalOf(driver, TRIED.call);
      assert.deepEqual([refused.code, refused.reason, refused.fields], ["INVALID_ARGUMENT", "CA_UNREADABLE", []]);
      assert.match(refused.message, /no-ca\.crt/);
      assertClean(refused);
    });

    test(`${language}, with a token of too small a role: it is told so`, { skip }, async () => {
      const driver = editors.get(language) ?? assert.fail(language);
      const step = { op: "call", method: "repo.DeleteRepo", request: { name: "secret-repo" } };
      const refused = await refusalOf(driver, step);
      assert.deepEqual([refused.code, refused.reason, refused.fields], ["PERMISSION_DENIED", "NOT_ALLOWED", []]);
      assert.match(refused.message, /editor/);
      assertClean(refused);
    });
  }
});

test("all languages were answered alike", () => {
  const [first, ...rest] = transcripts;
  assert.deepEqual([...transcripts.keys()].sort(), [...able].sort());
  for (const [language, transcript] of rest) assert.deepEqual(transcript, first?.[1], `${language} and ${first?.[0]}`);
});

test("no token stands in an argument", () => {
  for (const { pid } of [...editors.values(), ...nobodies.values()]) {
    const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
    assert.ok(line.length > 0);
    for (const secret of cluster.security.secrets()) assert.ok(!line.includes(secret), line);
  }
});
