// versitygw: the S3 server that the tests of the store run against. Only they need it, so it is made when the first of them asks.
// They do so in a process of its own, `node deploy/local/versitygw/find.js`, which prints what `versitygw()` returns.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { cached, obtain, platform } from "../cache.js";
import { goBuild, goCannot } from "../go.js";
import { sayTrouble, timed } from "../say.js";

const VERSION = "1.8.0";
const PROGRAM = "versitygw";
const FOLDER = `versitygw-${VERSION}-${platform}`;

/** `{ file }`, or why there is none: `{ cannot }`. Throws when it should be possible and failed. */
export async function versitygw() {
  const already = cached(FOLDER, PROGRAM);
  if (already) return { file: already };
  const cannot = await goCannot(`versitygw ${VERSION}`);
  if (cannot) return { cannot };
  const cwd = dirname(fileURLToPath(import.meta.url));
  const source = "github.com/versity/versitygw/cmd/versitygw";
  const make = (folder, onStart) => goBuild({ cwd, source, program: PROGRAM, folder, onStart });
  const file = await timed(
    `building versitygw ${VERSION} with Go, for tests of stores in S3 (about three minutes)`,
    (made) => `versitygw ${VERSION} is at ${made}`,
    () => obtain(FOLDER, PROGRAM, make),
  );
  return { file };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(JSON.stringify(await versitygw()));
  } catch (error) {
    sayTrouble(error);
    process.exitCode = 1;
  }
}
