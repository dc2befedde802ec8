// A verdict for people.

import type { Verdict } from "./check/check.ts";

export function reportOf(verdict: Verdict, folder: string): string {
  const { seed, broken, revisions, rounds, jobs, mismatches, figures } = verdict;
  const lines = [
    `seed ${seed}: ${jobs} jobs in ${rounds} rounds, ${mismatches} mismatches, ${revisions} revisions of etcd`,
    `faults: ${Object.entries(figures.faults)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(", ")}`,
    `kills: ${figures.kills}; executions: ${figures.executions}, of which again ${figures.again}`,
    row("worker killed -> its claims are free", figures.killedToFree),
    row("worker killed -> its interval runs on another", figures.killedToRunning),
    row("... where another has to be started first", figures.killedToStarted),
    row("worker frozen or cut off -> the same", figures.silentToRunning),
    row("master killed -> the next owner", figures.ownerToOwner),
    row("master killed -> the next claim", figures.ownerToClaim),
    ...broken.map(({ invariant, what }) => `BROKEN ${invariant}: ${what}`),
    broken.length === 0
      ? "all invariants hold"
      : `${broken.length} findings. Again: npm run chaos -- --check ${folder}`,
  ];
  return lines.join("\n");
}

function row(what: string, seconds: readonly number[]): string {
  const sorted = seconds.toSorted((a, b) => a - b);
  const at = (q: number) => `${(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0).toFixed(2)} s`;
  const shown = sorted.length === 0 ? "none" : `p50 ${at(0.5)}, p99 ${at(0.99)}, worst ${at(1)} (${sorted.length})`;
  return `${what.padEnd(48)} ${shown}`;
}
