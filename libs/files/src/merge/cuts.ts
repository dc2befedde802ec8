/**
 * Cuts the output key space of a job into ranges of about equal work. Pure: it sees only samples, the first key and the
 * size of every block of every run.
 *
 * How a block's weight is spread between its first key and the next block's is not known. But all samples together show
 * where keys are dense, so it is spread evenly over the places that they name in between. That holds even when every run
 * has only a few blocks, as long as the runs' blocks do not all begin at the same keys; their writer sees to that.
 *
 * A path that is not under `sum` is never cut inside: its places have no key.
 */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { compareBytes } from "../bytes.ts";
import { comparePaths } from "../path.ts";
import type { Place, Sample } from "./samples.ts";

const SHARD_BYTES = 64 * 1024 * 1024;
const SHARD_BYTES_MIN = 4 * 1024 * 1024;
const SHARDS_PER_WORKER_MAX = 4;

export interface CutLimits {
  /** What a shard should have, in unpacked bytes. Default 64 MiB. */
  readonly shardBytes?: number;
  /** What a shard must have to be worth a worker's while. Default 4 MiB. */
  readonly shardBytesMin?: number;
}

/** S = clamp(bytes / 64 MiB, min(workers, bytes / 4 MiB), 4 x workers), at least 1. */
export function shardCount(bytes: number, workers: number, limits: CutLimits = {}): number {
  const { shardBytes = SHARD_BYTES, shardBytesMin = SHARD_BYTES_MIN } = limits;
  const least = Math.min(workers, Math.floor(bytes / shardBytesMin));
  const most = SHARDS_PER_WORKER_MAX * workers;
  return Math.max(1, least, Math.min(Math.ceil(bytes / shardBytes), most));
}

/** At most `shards` - 1 ascending points, which cut the samples into ranges of about equal weight. */
export function chooseCuts(samples: readonly Sample[], shards: number): store.CutPoint[] {
  if (shards <= 1) return [];
  const { places, weights } = weightsBetween(samples);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const points: store.CutPoint[] = [];
  let before = 0;
  let due = total / shards;
  // Not at the first place of all: there would be nothing before it.
  for (let i = 1; i < places.length && points.length < shards - 1; i++) {
    before += weights[i - 1] as number;
    if (before === 0 || before + (weights[i] as number) / 2 < due) continue;
    points.push(create(store.CutPointSchema, places[i] as Place));
    // What is left is shared by the shards that are left, so that one heavy key does not starve the others.
    due = before + (total - before) / (shards - points.length);
  }
  return points;
}

export function comparePlaces(a: Place, b: Place): number {
  return comparePaths(a.path, b.path) || compareBytes(a.key, b.key);
}

/** All places in order, each once, and what lies from each up to the next. */
function weightsBetween(samples: readonly Sample[]): {
  readonly places: readonly Place[];
  readonly weights: Float64Array;
} {
  const ends = samples.flatMap(({ from, to }, sample) => [
    { place: from, sample, isEnd: false },
    { place: to, sample, isEnd: true },
  ]);
  ends.sort((a, b) => comparePlaces(a.place, b.place));
  const places: Place[] = [];
  const firsts = new Uint32Array(samples.length);
  const lasts = new Uint32Array(samples.length);
  for (const { place, sample, isEnd } of ends) {
    const last = places.at(-1);
    if (last === undefined || comparePlaces(last, place) !== 0) places.push(place);
    (isEnd ? lasts : firsts)[sample] = places.length - 1;
  }
  return { places, weights: spread(samples, firsts, lasts, places.length) };
}

/** Each sample's weight, evenly over the places first .. last - 1, or on the one place that it names. */
function spread(samples: readonly Sample[], firsts: Uint32Array, lasts: Uint32Array, places: number): Float64Array {
  // What changes at a place; the sum up to it is what lies there.
  const changes = new Float64Array(places + 1);
  const weights = new Float64Array(places);
  samples.forEach(({ weight }, i) => {
    const [first, last] = [firsts[i] as number, Math.max(lasts[i] as number, (firsts[i] as number) + 1)];
    const share = weight / (last - first);
    changes[first] = (changes[first] as number) + share;
    changes[last] = (changes[last] as number) - share;
  });
  let density = 0;
  for (let i = 0; i < places; i++) {
    density += changes[i] as number;
    // Rounding leaves dust where there is nothing.
    weights[i] = density < 1e-6 ? 0 : density;
  }
  return weights;
}
