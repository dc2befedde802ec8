export * from "./gen/sheaf/dispatch/v1/session_pb.ts";
