// The door of the generated contracts: one namespace per protobuf package, because they share names (api.Datum is what a
// user sees of a datum, store.Datum what a plan holds of it).
export * as access from "./access.ts";
export * as api from "./api.ts";
export * as dispatch from "./dispatch.ts";
export * as googleRpc from "./google-rpc.ts";
export * as health from "./health.ts";
export * as reflection from "./reflection.ts";
export * as state from "./state.ts";
export * as store from "./store.ts";
