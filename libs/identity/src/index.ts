/** @sheaf/identity: who calls. Certificates of services, tokens of users. */
export { PEER_ROLES, type Peer, type PeerRole, peerOf, peerUri } from "./peer.ts";
export { openEtcdIdentity, openIdentity, watched } from "./service-identity.ts";
export { etcdTlsSettings, healthSettings, tlsSettings, tokenSettings } from "./settings.ts";
export {
  contextOptions,
  type KeptTls,
  type Material,
  openTls,
  TLS_1_3,
  type Tls,
  type TlsPaths,
} from "./tls.ts";
export { formatLine, isTokenName, newToken, parseLines, USER_ROLES, type UserRole } from "./token.ts";
export { Tokens, type User } from "./tokens.ts";
