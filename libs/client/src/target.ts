/** Which cluster a client speaks to, how, and as whom: from what is given, else from the environment. */
import { readFileSync } from "node:fs";
import type { ClientTls } from "@sheaf/rpc";
import { type Environment, invalidArgument, messageOf, parseAddress, type Secret } from "@sheaf/runtime";
import { refusePlainText, tokenOf } from "./token.ts";

export interface TargetOptions {
  /** Where SHEAF_ADDRESS, SHEAF_TOKEN and SHEAF_CA are read. Default: the process's own environment. */
  readonly env?: Environment;
  /** Says who calls. Default: SHEAF_TOKEN. */
  readonly token?: Secret<string> | string;
  /** File (PEM) with the authority of the cluster; TLS is spoken then. Default: SHEAF_CA. */
  readonly ca?: string;
}

export interface Target {
  /** "host:port". */
  readonly address: string;
  readonly tls?: ClientTls;
  readonly token?: Secret<string>;
}

/** TLS is spoken when the address begins with https://, or when there is a CA file and it does not begin with http://. */
export function target(given: string | undefined, options: TargetOptions): Target {
  const env = options.env ?? process.env;
  const { scheme, address, host } = readAddress(given, env);
  const ca = options.ca ?? env["SHEAF_CA"];
  const token = tokenOf(options.token, "the token") ?? tokenOf(env["SHEAF_TOKEN"], "SHEAF_TOKEN");
  const isSecure = scheme === "https" || (scheme === undefined && Boolean(ca));
  if (isSecure) return { address, tls: { kind: "user", ca: ca ? readCa(ca) : undefined }, ...(token && { token }) };
  if (token !== undefined) {
    refusePlainText(address, host, `give the address as https://${address}, and the CA file in SHEAF_CA`);
  }
  return { address, ...(token && { token }) };
}

function readAddress(given: string | undefined, env: Environment) {
  const text = given || env["SHEAF_ADDRESS"];
  if (!text) {
    throw invalidArgument(
      "NO_ADDRESS",
      "no cluster is named: set SHEAF_ADDRESS or give --address; `sheaf dev` starts a cluster and prints its address",
    );
  }
  const [, scheme, address = ""] = /^(?:(https?):\/\/)?(.*?)\/?$/.exec(text) ?? [];
  const parsed = parseAddress(address);
  if ("value" in parsed) return { scheme, address, host: parsed.value.host };
  const field = given ? "address" : "SHEAF_ADDRESS";
  const wrong = `${parsed.wrong}; with TLS https://host:port`;
  throw invalidArgument("ADDRESS_INVALID", `${field} ${JSON.stringify(text)} ${wrong}`, {
    details: [{ field, description: wrong }],
  });
}

function readCa(path: string): Buffer {
  let ca: Buffer;
  try {
    ca = readFileSync(path);
  } catch (error) {
    throw invalidArgument("CA_UNREADABLE", `the CA file (SHEAF_CA) cannot be read: ${messageOf(error)}`);
  }
  if (/-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----/.test(ca.toString("latin1"))) return ca;
  throw invalidArgument(
    "CA_UNREADABLE",
    `the CA file ${JSON.stringify(path)} cannot be read: it holds no certificate in PEM`,
  );
}
