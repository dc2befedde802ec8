/** @sheaf/storage: where bytes live. One seam, one driver per kind of store, one suite that all pass. */

export type { LocalStoreOptions } from "./local-store.ts";
export { localStore } from "./local-store.ts";
export { memoryStore } from "./memory-store.ts";
export { openStore, type StoreOptions } from "./open-store.ts";
export { withRecentPuts } from "./recent-puts.ts";
export { storeSuite } from "./store.suite.ts";
export type { ByteRange, ObjectInfo, ObjectSource, PresignedRange, PutResult, Store } from "./store.ts";
export { checkKey, streamRange } from "./store.ts";
