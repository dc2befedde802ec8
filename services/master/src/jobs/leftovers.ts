// Ledgers that stand in etcd, by job. An owner that died between "archived" and "deleted" leaves some behind; the next owner
// finds them here. One read per job that has ledgers: few, because jobs that are over have none.

import type { World } from "../context.ts";

export async function jobsWithLedgers({ etcd, keys }: Pick<World, "etcd" | "keys">): Promise<Set<string>> {
  const prefix = keys.allLedgers();
  const jobs = new Set<string>();
  for (let after: string | undefined; ; ) {
    const { kvs } = await etcd.page(prefix, { limit: 1, ...(after !== undefined && { after }) });
    const [first] = kvs;
    if (first === undefined) return jobs;
    const job = first.key.slice(prefix.length).split("/")[0] ?? "";
    jobs.add(job);
    // "~" stands behind every key of the job, and before every other job.
    after = `${keys.ledgers(job)}~`;
  }
}
