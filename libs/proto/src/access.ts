export * from "./gen/sheaf/access/v1/access_pb.ts";
