export * from "./gen/sheaf/state/v1/records_pb.ts";
