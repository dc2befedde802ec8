import { grpcConnection } from "./grpc-client.ts";
import { serveGrpc } from "./grpc-server.ts";
import { publicConnection } from "./public-client.ts";
import { servePublic } from "./public-server.ts";
import { serverSuite } from "./server.suite.ts";
import { uploadSuite } from "./upload.suite.ts";

const connectPublic = (address: string) => publicConnection(address, { retryMs: 0 });

serverSuite("grpc-js to grpc-js", { serve: serveGrpc, connect: grpcConnection });
serverSuite("connect to the public port", { serve: servePublic, connect: connectPublic });
serverSuite("grpc-js to the public port", { serve: servePublic, connect: grpcConnection });

uploadSuite("by connect", { serve: servePublic, connect: connectPublic });
uploadSuite("by grpc-js", { serve: servePublic, connect: grpcConnection });
