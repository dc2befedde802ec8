/**
 * The calling side of TLS: whom a client takes for the server.
 *
 * Our services are known by their role and cluster and not by host names, which pods have not: Node's check of the name is
 * replaced. Node calls the check only when the chain to our authority is good, and ends the connection for whatever it returns; it
 * returns nothing but for a certificate that says, without doubt, what was expected.
 */
import type { SecureClientSessionOptions } from "node:http2";
import { createSecureContext, checkServerIdentity as ofHost, type PeerCertificate, type SecureContext } from "node:tls";
import { type ChannelCredentials, experimental } from "@grpc/grpc-js";
import { type KeptTls, type Material, type PeerRole, peerOf, TLS_1_3 } from "@sheaf/identity";
import type { KeptFiles } from "@sheaf/runtime";

export type ClientTls =
  /** One of our services calls another, each with its certificate. */
  | { readonly kind: "service"; readonly own: KeptTls; readonly servers: readonly PeerRole[] }
  /** Somebody from outside calls a master. `ca`: the authority of the cluster; undefined: those that the machine trusts. */
  | { readonly kind: "user"; readonly ca: Buffer | undefined };

export interface TlsOption {
  /** Speaks TLS. Default: plain text. */
  readonly tls?: ClientTls;
}

/** Undefined: it is whom we expect. */
export function wrongServer(tls: ClientTls, host: string, certificate: PeerCertificate): Error | undefined {
  const names = certificate.subjectaltname;
  // Something before a master may have a certificate of an ordinary kind, with a host's name. One of our services is never taken for it.
  if (tls.kind === "user" && !/\bspiffe:/i.test(names ?? "")) return ofHost(host, certificate);
  const parsed = peerOf(names);
  if ("wrong" in parsed) return new WrongServer(`its certificate ${parsed.wrong}`);
  const { role, cluster } = parsed.value;
  const ours = tls.kind === "service" ? tls.own.value.self.cluster : cluster;
  const servers: readonly PeerRole[] = tls.kind === "service" ? tls.servers : ["master"];
  if (servers.includes(role) && cluster === ours) return undefined;
  return new WrongServer(`it is a ${role} of the cluster "${cluster}", not a ${servers.join(" or ")} of ${ours}`);
}

class WrongServer extends Error {
  readonly code = "WRONG_SERVER";

  constructor(why: string) {
    super(`WRONG_SERVER: ${why}`);
  }
}

/** For HTTP/2 of Node. The certificate is read with each connection that begins. */
export function http2Options(tls: ClientTls, host: string): SecureClientSessionOptions {
  const user = tls.kind === "user" ? createSecureContext({ ...TLS_1_3, ...(tls.ca && { ca: tls.ca }) }) : undefined;
  const secure = {
    get secureContext(): SecureContext {
      return tls.kind === "service" ? tls.own.value.context : (user as SecureContext);
    },
    rejectUnauthorized: true,
    ALPNProtocols: ["h2"],
    checkServerIdentity: (_: string, certificate: PeerCertificate) => wrongServer(tls, host, certificate),
  };
  return secure;
}

/** For grpc-js: with each connection that begins it asks for the certificate of that moment. `wrong`: see wrongServer. */
export function reloadingCredentials(
  own: Pick<KeptFiles<Material>, "value" | "onChange">,
  wrong: (certificate: PeerCertificate) => Error | undefined,
): ChannelCredentials {
  const listeners = new Map<unknown, () => void>();
  const listen = (listener: unknown, tell: () => void) => {
    listeners.set(listener, own.onChange(tell));
    tell();
  };
  const forget = (listener: unknown) => {
    listeners.get(listener)?.();
    listeners.delete(listener);
  };
  const provider: experimental.CertificateProvider = {
    addCaCertificateListener: (listener) => listen(listener, () => listener({ caCertificate: own.value.ca })),
    removeCaCertificateListener: forget,
    addIdentityCertificateListener: (listener) =>
      listen(listener, () => listener({ certificate: own.value.cert, privateKey: own.value.key.reveal() })),
    removeIdentityCertificateListener: forget,
  };
  return experimental.createCertificateProviderChannelCredentials(provider, provider, {
    rejectUnauthorized: true,
    checkServerIdentity: (_, certificate) => wrong(certificate as PeerCertificate),
  });
}
