/**
 * @sheaf/files: paths, globs, datums, and all that the object store holds: packs, sorted tables, plans, runs, commits, and
 * the merge that makes a commit of runs.
 */
export { hex, sha256 } from "./bytes.ts";
export type { Changes, NewCommit } from "./commit/apply-changes.ts";
export { applyChanges } from "./commit/apply-changes.ts";
export type { PathRange } from "./commit/commit-reader.ts";
export { CommitReader, openCommit, readCommit } from "./commit/commit-reader.ts";
export type { ShardLimits } from "./commit/index-writer.ts";
export { putManifest } from "./commit/index-writer.ts";
export type { Child, FileChild, FolderChild } from "./commit/list-folder.ts";
export { folderTotals, listFolder } from "./commit/list-folder.ts";
export type { Glob } from "./glob.ts";
export { compileGlob } from "./glob.ts";
export { HashThreads } from "./hashing/hash-threads.ts";
export { readLog, writeLog } from "./logs.ts";
export { foldConflicts } from "./merge/conflicts.ts";
export type { CutLimits } from "./merge/cuts.ts";
export { shardCount } from "./merge/cuts.ts";
export type { MergeOptions } from "./merge/merge-shard.ts";
export { mergeShard } from "./merge/merge-shard.ts";
export type { MergeOutcome } from "./merge/plan-merge.ts";
export { commitOfShards, planMerge, putMergeResult, shardRange } from "./merge/plan-merge.ts";
export type { ShardRange } from "./merge/shard-range.ts";
export type { Strategy, StrategyOf } from "./merge/strategies.ts";
export { compileMergeSpec } from "./merge/strategies.ts";
export type { ObjectKind } from "./object.ts";
export { getMessage, getObject, messageTableRef, objectOf, packKey, putMessage } from "./object.ts";
export type { Content } from "./pack/content.ts";
export { contentHash, fileEntry } from "./pack/content.ts";
export type { FileWriter, PackLimits } from "./pack/pack-writer.ts";
export { PackWriter } from "./pack/pack-writer.ts";
export type { SegmentReader } from "./pack/segment-reader.ts";
export { readSegments, segmentReader } from "./pack/segment-reader.ts";
export { streamSegments } from "./pack/stream-segments.ts";
export type { ParsedPath } from "./path.ts";
export {
  checkPath,
  comparePaths,
  foldersOf,
  isUnder,
  PART_BYTES_MAX,
  PATH_BYTES_MAX,
  parentOf,
  parsePath,
  rangeUnder,
} from "./path.ts";
export { datumId, workId } from "./plan/datum-id.ts";
export type { Match } from "./plan/matches.ts";
export { findMatches } from "./plan/matches.ts";
export { PlanReader, readPlanDatums } from "./plan/plan-reader.ts";
export type { FinishedPlan, PlanLimits } from "./plan/plan-writer.ts";
export { PlanWriter } from "./plan/plan-writer.ts";
export type { ResultSummary } from "./run/result.ts";
export { readResultHeader } from "./run/result.ts";
export type { FinishedRun, RunIdentity, SumOutput } from "./run/run-builder.ts";
export { RunBuilder } from "./run/run-builder.ts";
export type { Run } from "./run/run-reader.ts";
export { openRun, readRunFiles, readRunHeader, readRunRows } from "./run/run-reader.ts";
export type { SumFault, SumSource } from "./sum/lines.ts";
export { checkSum } from "./sum/lines.ts";
export { writeAll } from "./write-all.ts";
