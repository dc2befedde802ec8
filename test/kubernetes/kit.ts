/** How a test file gets its cluster. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type ImageName, images } from "./images/index.ts";
import { findPrograms, type Programs } from "./programs.ts";

/** Describes what needs a cluster, or counts as one test that was left out; where everything must be tested (CI) it throws. */
export async function describeWithKubernetes(
  name: string,
  { forNodes = true }: { forNodes?: boolean },
  body: (programs: Programs) => void,
): Promise<void> {
  const found = await findPrograms({ forNodes });
  if ("programs" in found) return void describe(name, () => body(found.programs));
  if (process.env["CI"]) throw new Error(`the tests on Kubernetes cannot run here: ${found.cannot}`);
  test(name, { skip: found.cannot }, () => {});
}

/** Images of tests: those that `npm run test:kubernetes` made, or made for this file alone. */
export async function testImages(...names: ImageName[]): Promise<string[]> {
  return await images(imagesFolder(), names);
}

/** Where images of tests lie, or are made. */
export function imagesFolder(): string {
  const given = process.env["SHEAF_TEST_IMAGES"];
  if (given !== undefined) return given;
  const folder = mkdtempSync(join(tmpdir(), "sheaf-images-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
