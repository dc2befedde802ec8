// Programs that only some tests need, built from their sources when the first of them asks. Tests do so in a process of its own,
// `node deploy/local/<program>/find.js`, which prints what `goProgram` returns.
import { cached, obtain, platform } from "./cache.js";
import { goBuild, goCannot } from "./go.js";
import { sayTrouble, timed } from "./say.js";

/**
 * `{ file }`, or why there is none: `{ cannot }`. Throws when it should be possible and failed. `doing` says what is built, what
 * for and how long that takes; `finish(folder)` adds to a folder whose program is built.
 */
export async function goProgram({ program, version, cwd, source, variables, doing, finish }) {
  const name = `${program}-${version}-${platform}`;
  const already = cached(name, program);
  if (already) return { file: already };
  const cannot = await goCannot(`${program} ${version}`);
  if (cannot) return { cannot };
  const make = async (folder, onStart) => {
    await goBuild({ cwd, source, program, folder, onStart, variables });
    finish?.(folder);
  };
  const done = (file) => `${program} ${version} is at ${file}`;
  return {
    file: await timed(`building ${program} ${version} with Go, ${doing}`, done, () => obtain(name, program, make)),
  };
}

/** Prints what was found, or why it could not be had. */
export async function printFound(find) {
  try {
    console.log(JSON.stringify(await find()));
  } catch (error) {
    sayTrouble(error);
    process.exitCode = 1;
  }
}
