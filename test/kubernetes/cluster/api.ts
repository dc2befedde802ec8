/** Reads from the API server without a process, for waiting. */
import { readFileSync } from "node:fs";
import { request } from "node:https";
import type { Signed } from "./certificates.ts";

/** The JSON (or text) at `path`, or undefined while there is none. */
export type Api = (path: string) => Promise<unknown>;

export function apiAt(server: string, ca: string, as: Signed): Api {
  const tls = { ca: readFileSync(ca), cert: readFileSync(as.cert), key: readFileSync(as.key) };
  return (path) =>
    new Promise((resolve) => {
      const none = () => resolve(undefined);
      const asked = request(`${server}${path}`, { ...tls, agent: false, timeout: 5000 }, (answer) => {
        let body = "";
        answer.setEncoding("utf8").on("data", (text: string) => {
          body += text;
        });
        answer.on("end", () => (answer.statusCode === 200 ? resolve(parsed(body)) : none())).on("error", none);
      });
      asked.on("timeout", () => asked.destroy());
      asked.on("error", none).end();
    });
}

function parsed(body: string): unknown {
  return body.startsWith("{") ? JSON.parse(body) : body;
}
