/** Who a service is, by its certificate: the one URI in it, `spiffe://sheaf/<cluster>/<role>`. */
import type { Parsed } from "@sheaf/runtime";

/** `client` is whoever calls the public API and brings a certificate. It may do nothing by that alone: a token says who it is. */
export const PEER_ROLES = ["master", "merge", "worker", "client"] as const;
export type PeerRole = (typeof PEER_ROLES)[number];

export interface Peer {
  readonly cluster: string;
  readonly role: PeerRole;
}

const URI = /^spiffe:\/\/sheaf\/([A-Za-z0-9][A-Za-z0-9._-]{0,62})\/([a-z]+)$/;

export function peerUri({ cluster, role }: Peer): string {
  const uri = `spiffe://sheaf/${cluster}/${role}`;
  if (!URI.test(uri))
    throw new Error(`"${cluster}" is no name of a cluster in a certificate: use letters, digits, . _ -`);
  return uri;
}

/**
 * Reads Node's text of the subject's alternative names ("DNS:a, URI:spiffe://..."). Names with odd characters, which Node puts in quotes, and a
 * certificate with two URIs are nobody's: what can be read in two ways must not be read in the better one.
 */
export function peerOf(subjectAltName: string | undefined): Parsed<Peer> {
  const names = (subjectAltName ?? "").split(", ");
  if (names.some((name) => name.includes('"'))) return { wrong: "has a name that cannot be read without doubt" };
  const uris = names.filter((name) => name.startsWith("URI:")).map((name) => name.slice("URI:".length));
  if (uris.length !== 1)
    return { wrong: `names ${uris.length} URIs where one is expected, spiffe://sheaf/<cluster>/<role>` };
  const [, cluster, role] = URI.exec(uris[0] ?? "") ?? [];
  if (cluster === undefined || !isRole(role))
    return { wrong: `names "${uris[0]}", not spiffe://sheaf/<cluster>/<role>` };
  return { value: { cluster, role } };
}

function isRole(text: string | undefined): text is PeerRole {
  return PEER_ROLES.some((role) => role === text);
}
