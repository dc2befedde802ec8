/**
 * @sheaf/client in a browser: the public API as TypeScript calls it there. What needs a file system, or sends a stream, is not in it; all
 * else is that of index.ts, by the same names.
 */
export type { SheafCalls as SheafClient } from "./calls.ts";
export { type ConnectOptions, connect } from "./connect-web.ts";
export { enumWord, enumWords } from "./enum-name.ts";
export type { FollowLogsOptions } from "./follow-logs.ts";
export type { CommitName, SheafRpc } from "./services.ts";
export { parseSpec } from "./spec/parse-spec.ts";
export { specYaml } from "./spec/spec-yaml.ts";
export type { RunOptions } from "./submit.ts";
export type { WatchCommitsOptions, WatchedCommit } from "./watch-commits.ts";
export { isTerminal, type WaitJobOptions, type WatchJobOptions } from "./watch-job.ts";
