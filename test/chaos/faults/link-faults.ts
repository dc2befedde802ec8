// The network: links are reset, refuse, swallow, lose answers, and become slow.

import type { Random } from "@sheaf/runtime";
import type { FaultMode, FaultProxy, Replica, World } from "../world.ts";
import type { Begun, Fault } from "./fault.ts";
import { pick } from "./fault.ts";

interface Links {
  readonly target: string;
  readonly links: readonly FaultProxy[];
}

/** A replica's way to one member of etcd, or to all. */
function toEtcd(world: World, random: Random, all: boolean): Links {
  const { service, etcd } = pick(world.replicas, random) as Replica;
  const member = random.int(etcd.length);
  return all
    ? { target: `${service.name} to etcd`, links: etcd }
    : { target: `${service.name} to etcd m${member}`, links: etcd.slice(member, member + 1) };
}

/** The way of all workers to one owner. */
function toOwner(world: World, random: Random): Links {
  const { service, dispatch } = pick(world.replicas, random) as Replica;
  return { target: `workers to ${service.name}`, links: [dispatch] };
}

function everyLink(world: World): FaultProxy[] {
  return world.replicas.flatMap(({ dispatch, api, etcd }) => [dispatch, ...(api ? [api] : []), ...etcd]);
}

async function set({ target, links }: Links, mode: FaultMode): Promise<Begun> {
  await Promise.all(links.map((link) => link.set(mode)));
  return { target, end: async () => void (await Promise.all(links.map((link) => link.set("pass")))) };
}

export const LINK_FAULTS: readonly Fault[] = [
  {
    kind: "black-hole-etcd",
    rows: ["F16", "F24"],
    lane: "link",
    weight: 3,
    ms: [1_000, 9_000],
    begin: ({ world }, random) => set(toEtcd(world, random, random.int(2) === 0), "black-hole"),
  },
  {
    kind: "lose-answers-of-etcd",
    rows: ["F16", "F22"],
    lane: "link",
    weight: 3,
    ms: [500, 9_000],
    begin: ({ world }, random) => set(toEtcd(world, random, random.int(3) > 0), "drop-responses"),
  },
  {
    kind: "refuse-etcd",
    rows: ["E19"],
    lane: "link",
    weight: 1,
    ms: [1_000, 8_000],
    begin: ({ world }, random) => set(toEtcd(world, random, random.int(2) === 0), "refuse"),
  },
  {
    kind: "cut-off-owner",
    rows: ["F10", "F18"],
    lane: "link",
    weight: 2,
    ms: [1_000, 9_000],
    begin: ({ world }, random) => set(toOwner(world, random), random.int(2) === 0 ? "black-hole" : "refuse"),
  },
  {
    kind: "lose-answers-of-owner",
    rows: ["F22"],
    lane: "link",
    weight: 2,
    ms: [500, 6_000],
    begin: ({ world }, random) => set(toOwner(world, random), "drop-responses"),
  },
  {
    kind: "lose-answers-of-api",
    rows: ["F22"],
    lane: "link",
    weight: 1,
    ms: [500, 4_000],
    begin: ({ world }, random) => {
      const { service, api } = pick(world.masters, random) as Replica;
      return set({ target: `API clients to ${service.name}`, links: api ? [api] : [] }, "drop-responses");
    },
  },
  {
    kind: "slow-network",
    rows: ["F20"],
    lane: "link",
    weight: 1,
    ms: [2_000, 8_000],
    begin: ({ world }) => set({ target: "every link: 100 +- 50 ms", links: everyLink(world) }, "slow"),
  },
  {
    kind: "reset-storm",
    rows: ["F21"],
    lane: "link",
    weight: 2,
    ms: [2_000, 8_000],
    begin({ world }) {
      const timer = setInterval(() => everyLink(world).forEach((link) => link.cut()), 1_000);
      return { target: "every link, each second", end: () => clearInterval(timer) };
    },
  },
  {
    kind: "swizzle-clog",
    rows: ["F19"],
    lane: "link",
    weight: 2,
    ms: [4_000, 12_000],
    begin: ({ world }, random, ms) => swizzle(everyLink(world), random, ms),
  },
];

/** Links are clogged one by one until half of them are, and unclogged one by one in another order. */
function swizzle(all: readonly FaultProxy[], random: Random, ms: number): Begun {
  const clogged = shuffled(all, random).slice(0, Math.ceil(all.length / 2));
  const freed = shuffled(clogged, random);
  const step = ms / 2 / clogged.length;
  const timers = clogged.flatMap((link, i) => [
    setTimeout(() => void link.set("black-hole"), i * step),
    setTimeout(() => void freed[i]?.set("pass"), ms / 2 + i * step),
  ]);
  const end = async () => {
    for (const timer of timers) clearTimeout(timer);
    await Promise.all(clogged.map((link) => link.set("pass")));
  };
  return { target: `${clogged.length} of ${all.length} links, one by one`, end };
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((item) => ({ item, at: random.float() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
