/** @sheaf/client: the public API as TypeScript calls it. */
export { type ConnectOptions, connect, type SheafClient } from "./connect.ts";
export { enumWord, enumWords } from "./enum-name.ts";
export {
  type FakeCluster,
  type FakeClusterOptions,
  type FakeTree,
  type FakeWork,
  fakeCluster,
} from "./fake-cluster.ts";
export type { FollowLogsOptions } from "./follow-logs.ts";
export type { GetFolderOptions, GetOptions, GotFolder } from "./get-folder.ts";
export type { LocalFile } from "./local-files.ts";
export type { PutFolderOptions, PutFolderResult, PutOptions } from "./put-folder.ts";
export type { CommitName, SheafRpc } from "./services.ts";
export { parseSpec } from "./spec/parse-spec.ts";
export { isModulePath, readHandler } from "./spec/read-handler.ts";
export { readSpec, readSpecText } from "./spec/read-spec.ts";
export { specYaml } from "./spec/spec-yaml.ts";
export type { WatchCommitsOptions, WatchedCommit } from "./watch-commits.ts";
export { isTerminal, type WaitJobOptions, type WatchJobOptions } from "./watch-job.ts";
