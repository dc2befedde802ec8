// Programs of others that only some tests need, each made with Go when the first of them asks. They do so in a process of its own, which
// prints `{ file }`, or why there is none: `{ cannot }`. It fails when it should be possible and is not.
import { cached, obtain, platform } from "./cache.js";
import { goBuild, goCannot } from "./go.js";
import { sayTrouble, timed } from "./say.js";

/** `cwd` holds the go.mod; `takes` says for what and how long, to whoever waits. */
export async function printGoProgram({ program, version, source, cwd, takes }) {
  try {
    console.log(JSON.stringify(await find({ program, version, source, cwd, takes })));
  } catch (error) {
    sayTrouble(error);
    process.exitCode = 1;
  }
}

async function find({ program, version, source, cwd, takes }) {
  const folder = `${program}-${version}-${platform}`;
  const already = cached(folder, program);
  if (already) return { file: already };
  const cannot = await goCannot(`${program} ${version}`);
  if (cannot) return { cannot };
  const make = (target, onStart) => goBuild({ cwd, source, program, folder: target, onStart });
  const file = await timed(
    `building ${program} ${version} with Go, ${takes}`,
    (made) => `${program} ${version} is at ${made}`,
    () => obtain(folder, program, make),
  );
  return { file };
}
