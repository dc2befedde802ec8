export * from "./gen/sheaf/store/v1/file_pb.ts";
export * from "./gen/sheaf/store/v1/object_pb.ts";
export * from "./gen/sheaf/store/v1/plan_pb.ts";
export * from "./gen/sheaf/store/v1/run_pb.ts";
