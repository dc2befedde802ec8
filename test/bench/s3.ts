import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "@sheaf/storage";
import { S3Server, s3Program } from "../kit/s3-server.ts";
import { timed } from "./programs.ts";
import { median, type Row, spread } from "./row.ts";

const SHARE = 0.7;
const COPY = join(import.meta.dirname, "s3-copy.ts");
/** Ranges of a pack that a worker might ask for together. */
const READS = 1_000;
const READ_BYTES = 4_096;

const SETS = [
  { name: "one", what: "1 GB in one object", make: "head -c 1000000000 /dev/urandom >one/large" },
  {
    name: "many",
    what: "1,000 objects of 1 MiB",
    make: "head -c 1048576000 /dev/urandom | split -b 1048576 -a 4 - many/part-",
  },
];

/** The driver for S3 beside the AWS CLI, which has to be on the PATH: both as processes, against the same server on this machine. */
export async function s3(folder: string, runs: number): Promise<Row[]> {
  const program = await s3Program();
  if (program === undefined) return [];
  const server = await S3Server.start(program);
  try {
    Object.assign(process.env, server.env, { AWS_DEFAULT_REGION: "us-east-1" });
    // As services have it. Python keeps what it compiled, too.
    process.env["NODE_COMPILE_CACHE"] = join(folder, "compiled");
    const rows: Row[] = [];
    for (const set of SETS) {
      mkdirSync(join(folder, set.name), { recursive: true });
      timed("sh", ["-c", set.make], folder);
      rows.push(...copies(server, folder, set, runs));
    }
    rows.push(await together(server, runs));
    return rows;
  } finally {
    await server.stop();
  }
}

/** Up and down, ours and theirs in turn; each to a new bucket. */
function copies(server: S3Server, folder: string, { name, what }: { name: string; what: string }, runs: number): Row[] {
  const seconds = { up: [[], []], down: [[], []] } as Record<"up" | "down", [number[], number[]]>;
  for (let run = 0; run < runs; run++) {
    const [ours, theirs] = [server.bucket(), server.bucket()];
    const address = `s3://${ours}?endpoint=${server.endpoint}`;
    const aws = (from: string, to: string) =>
      timed(
        "aws",
        ["s3", "cp", "--only-show-errors", "--recursive", "--endpoint-url", server.endpoint, from, to],
        folder,
      );
    seconds.up[0].push(timed(process.execPath, [COPY, "up", address, name], folder));
    seconds.up[1].push(aws(name, `s3://${theirs}/`));
    seconds.down[0].push(timed(process.execPath, [COPY, "down", address, `${name}-ours-${run}`], folder));
    seconds.down[1].push(aws(`s3://${theirs}/`, `${name}-theirs-${run}`));
    timed("diff", ["-r", name, `${name}-ours-${run}`], folder);
    timed("rm", ["-r", `${name}-ours-${run}`, `${name}-theirs-${run}`], folder);
    for (const bucket of [ours, theirs]) timed("rm", ["-r", join(server.folder, "data", bucket)], folder);
  }
  return (["up", "down"] as const).map((way) => {
    const [ours, theirs] = seconds[way];
    const ratio = median(theirs) / median(ours);
    return {
      what: `S3 ${way}: ${what}, versitygw on this machine`,
      ours: `${spread(ours)} s`,
      against: `${spread(theirs)} s, aws s3 cp`,
      goal: `>= ${SHARE} x`,
      figure: `${ratio.toFixed(2)} x`,
      reached: ratio >= SHARE,
    };
  });
}

/** What it gains that neighbouring reads become one request. */
async function together(server: S3Server, runs: number): Promise<Row> {
  const store = await openStore(server.url());
  try {
    await store.put("packs/a", Buffer.alloc(READS * READ_BYTES, "some bytes of a pack"));
    const ranges = Array.from({ length: READS }, (_, i) => ({ offset: i * READ_BYTES, length: READ_BYTES }));
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let run = 0; run < runs; run++) {
      ours.push(await millis(() => Promise.all(ranges.map((range) => store.get("packs/a", range)))));
      // No two in the same turn: each is a request.
      theirs.push(
        await millis(async () => {
          for (const range of ranges) await store.get("packs/a", range);
        }),
      );
    }
    const ratio = median(theirs) / median(ours);
    return {
      what: `S3: ${READS} reads of 4 KiB side by side, asked for together`,
      ours: `${spread(ours, 0)} ms`,
      against: `${spread(theirs, 0)} ms, one after another`,
      goal: ">= 10 x",
      figure: `${ratio.toFixed(0)} x`,
      reached: ratio >= 10,
    };
  } finally {
    await store.close();
  }
}

async function millis(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
