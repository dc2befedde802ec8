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

/** Packages of ours as a bundler for browsers finds them: by the condition "browser" of their `exports`. */
const OURS = ["client", "proto", "rpc", "runtime"].map((name) => [`@sheaf/${name}`, `/libs/${name}/${doorOf(name)}`]);
const IMPORTS = {
  ...Object.fromEntries(OURS),
  "@bufbuild/protobuf": `${ESM.protobuf}/index.js`,
  "@bufbuild/protobuf/codegenv2": `${ESM.protobuf}/codegenv2/index.js`,
  "@bufbuild/protobuf/reflect": `${ESM.protobuf}/reflect/index.js`,
  "@bufbuild/protobuf/wire": `${ESM.protobuf}/wire/index.js`,
  "@bufbuild/protobuf/wkt": `${ESM.protobuf}/wkt/index.js`,
  "@connectrpc/connect": `${ESM.connect}/index.js`,
  "@connectrpc/connect/protocol": `${ESM.connect}/protocol/index.js`,
  "@connectrpc/connect/protocol-connect": `${ESM.connect}/protocol-connect/index.js`,
  "@connectrpc/connect/protocol-grpc-web": `${ESM.connect}/protocol-grpc-web/index.js`,
  "@connectrpc/connect-web": "/node_modules/@connectrpc/connect-web/dist/esm/index.js",
  "@noble/hashes/sha2.js": "/node_modules/@noble/hashes/sha2.js",
  yaml: "/node_modules/yaml/browser/index.js",
};

const PAGE = `<!doctype html><meta charset="utf-8"><title>Sheaf</title>
<script>
  // What keeps the page from running: a module that is not there, or that the browser does not understand.
  const tell = ({ message, target }) => fetch("/do/tell", { method: "POST", body: JSON.stringify({ failure: message ?? target.src }) });
  addEventListener("error", tell, true);
</script>
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>
<script type="module" src="/test/clients/browser/page.ts"></script>`;

/** What the page can have done outside of it (`POST /do/<name>`), each with the text that it sends. */
export type Deeds = Readonly<Record<string, (text: string) => void | Promise<void>>>;

export function pageServer(deeds: Deeds): Server {
  return createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://page").pathname);
    const send = (type: string, text: string) => response.setHeader("content-type", type).end(text);
    if (path === "/") return void send("text/html", PAGE);
    const deed = deeds[path.replace(/^\/do\//, "")];
    if (deed !== undefined) {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      return void request.on("end", async () => {
        await deed(Buffer.concat(pieces).toString());
        send("text/plain", "");
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

function doorOf(name: string): string {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "libs", name, "package.json"), "utf8"));
  return exports["."]?.browser ?? exports;
}
