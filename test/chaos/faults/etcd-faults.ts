// Members of etcd are killed, frozen, cut off from the others, slowed by their disks, and replaced; one of them, or as many as make
// the quorum.

import { spawn } from "node:child_process";
import type { Random } from "@sheaf/runtime";
import type { ClusterMember } from "../world.ts";
import type { Begun, Fault, Stage } from "./fault.ts";
import { pick } from "./fault.ts";

/** The leader, or one of the others, as the draw says. */
async function oneMember({ world, keeper }: Stage, random: Random): Promise<ClusterMember | undefined> {
  const leader = await keeper.leader();
  const wantsLeader = random.int(2) === 0;
  const candidates = world.members.filter((_, i) => (i === leader) === wantsLeader);
  return pick(candidates.length > 0 ? candidates : world.members, random);
}

/** Two of the three: the quorum. */
function twoMembers({ world }: Stage, random: Random): ClusterMember[] {
  const spared = random.int(world.members.length);
  return world.members.filter((_, i) => i !== spared);
}

async function downed(members: readonly ClusterMember[]): Promise<Begun> {
  await Promise.all(members.map((member) => member.end("SIGKILL")));
  return { target: names(members), end: () => members.forEach((member) => member.start()) };
}

function frozen(members: readonly ClusterMember[]): Begun {
  for (const member of members) member.signal("SIGSTOP");
  return { target: names(members), end: () => members.forEach((member) => member.signal("SIGCONT")) };
}

function names(members: readonly ClusterMember[]): string {
  return `etcd ${members.map(({ name }) => name).join(" and ")}`;
}

/** Has strace do something to the syscalls that put a member's log on the disk. */
function injected(member: ClusterMember, what: string): Begun {
  const args = ["-f", "-qq", "-o", "/dev/null", "-p", String(member.pid), "-e", "trace=fdatasync"];
  const strace = spawn("strace", [...args, "-e", `inject=fdatasync:${what}`], { stdio: "ignore" });
  const over = new Promise<void>((resolve) => {
    strace.once("exit", () => resolve());
    strace.once("error", () => resolve());
  });
  const end = async () => {
    strace.kill("SIGINT");
    await over;
    // A member whose disk fails ends itself.
    member.start();
  };
  return { target: `${names([member])}: ${what}`, end };
}

export const ETCD_FAULTS: readonly Fault[] = [
  {
    kind: "kill-member",
    rows: ["F12", "E19"],
    lane: "etcd",
    weight: 3,
    ms: [500, 10_000],
    async begin(stage, random) {
      const member = await oneMember(stage, random);
      return member ? downed([member]) : null;
    },
  },
  {
    kind: "freeze-member",
    rows: ["E23"],
    lane: "etcd",
    weight: 3,
    ms: [1_000, 12_000],
    async begin(stage, random) {
      const member = await oneMember(stage, random);
      return member ? frozen([member]) : null;
    },
  },
  {
    kind: "isolate-member",
    rows: ["F15"],
    lane: "etcd",
    weight: 2,
    ms: [2_000, 10_000],
    async begin(stage, random) {
      const member = await oneMember(stage, random);
      if (member === undefined) return null;
      return { target: `${names([member])} from the others`, end: await member.isolate() };
    },
  },
  {
    kind: "kill-quorum",
    rows: ["F14"],
    lane: "etcd",
    weight: 1,
    ms: [1_000, 10_000],
    begin: (stage, random) => downed(twoMembers(stage, random)),
  },
  {
    kind: "freeze-quorum",
    rows: ["F14"],
    lane: "etcd",
    weight: 1,
    ms: [1_000, 10_000],
    begin: (stage, random) => frozen(twoMembers(stage, random)),
  },
  {
    kind: "lose-quorum-for-long",
    rows: ["F14"],
    lane: "etcd",
    weight: 0.5,
    // Ten times the TTL of an owner's lease, and of a session's.
    ms: [50_000, 150_000],
    begin: (stage, random) =>
      random.int(2) === 0 ? downed(twoMembers(stage, random)) : frozen(twoMembers(stage, random)),
  },
  {
    kind: "replace-member",
    rows: ["F13"],
    lane: "etcd",
    weight: 1,
    ms: [0, 0],
    async begin({ world, keeper }, random) {
      const index = random.int(world.members.length);
      await keeper.replace(index);
      return { target: `etcd ${world.members[index]?.name}: its data is gone` };
    },
  },
  {
    kind: "slow-disk",
    rows: ["F26"],
    needs: "strace",
    lane: "etcd",
    weight: 2,
    ms: [3_000, 10_000],
    async begin(stage, random) {
      const member = await oneMember(stage, random);
      return member ? injected(member, `delay_enter=${(200 + random.int(1_800)) * 1_000}`) : null;
    },
  },
  {
    kind: "broken-disk",
    rows: ["F27"],
    needs: "strace",
    lane: "etcd",
    weight: 1,
    ms: [1_000, 5_000],
    async begin(stage, random) {
      const member = await oneMember(stage, random);
      return member ? injected(member, "error=EIO") : null;
    },
  },
];
