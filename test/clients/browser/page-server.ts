// Serves the page and the modules that it imports, as the browser asks for them: sources of ours without their types, packages as they are.

import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import { join, normalize } from "node:path";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const ESM = {
  protobuf: "/node_modules/@bufbuild/protobuf/dist/esm",
  connect: "/node_modules/@connectrpc/connect/dist/esm",
};

const IMPORTS = {
  "@bufbuild/protobuf": `${ESM.protobuf}/index.js`,
  "@bufbuild/protobuf/codegenv2": `${ESM.protobuf}/codegenv2/index.js`,
  "@bufbuild/protobuf/reflect": `${ESM.protobuf}/reflect/index.js`,
  "@bufbuild/protobuf/wire": `${ESM.protobuf}/wire/index.js`,
  "@bufbuild/protobuf/wkt": `${ESM.protobuf}/wkt/index.js`,
  "@sheaf/proto": "/libs/proto/src/index.ts",
  "@connectrpc/connect": `${ESM.connect}/index.js`,
  "@connectrpc/connect/protocol": `${ESM.connect}/protocol/index.js`,
  "@connectrpc/connect/protocol-grpc-web": `${ESM.connect}/protocol-grpc-web/index.js`,
};

const PAGE = `<!doctype html><meta charset="utf-8"><title>Sheaf</title>
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>
<script type="module" src="/test/clients/browser/page.ts"></script>`;

/** `result`: what the page tells. */
export function pageServer(result: (text: string) => void): Server {
  return createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://page").pathname);
    const send = (type: string, text: string) => response.setHeader("content-type", type).end(text);
    if (path === "/") return void send("text/html", PAGE);
    if (path === "/result") {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      return void request.on("end", () => {
        send("text/plain", "");
        result(Buffer.concat(pieces).toString());
      });
    }
    try {
      const source = readFileSync(join(ROOT, path), "utf8");
      send("text/javascript", path.endsWith(".ts") ? stripTypeScriptTypes(source) : source);
    } catch {
      response.writeHead(404).end();
    }
  });
}
