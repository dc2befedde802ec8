/**
 * Who may call what: decided once for each call, before its handler, from what the contract says of the rpc (sheaf.access.v1.caller).
 *
 * A1. What names nobody is refused. Two services are not ours to annotate: grpc.health.v1, which tells nothing but that somebody serves, is
 *     answered to everybody; grpc.reflection, which tells what can be called, to those who look.
 * A2. A user is whom the token says, a service whom its certificate says. A service's certificate is no user's: a worker may not read
 *     what a viewer may.
 * A3. A refusal depends on the rpc and the caller alone, never on what is asked for: it cannot tell what exists.
 * A4. Where everybody who reaches the port is this machine's own (rules.ts), there may be no tokens, or no certificates: then all may.
 */
import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { type Peer, type Tokens, USER_ROLES, type User } from "@sheaf/identity";
import { access, health, reflection } from "@sheaf/proto";
import { permissionDenied, Secret, unauthenticated } from "@sheaf/runtime";

/** What is known of a call before it is answered. */
export interface Claimant {
  /** Whose certificate the connection has. Undefined: none, or none of ours. */
  readonly peer: Peer | undefined;
  readonly header: (name: string) => string | undefined;
}

/** Lets a call in, or throws UNAUTHENTICATED or PERMISSION_DENIED. What it returns is aborted when the call may go on no longer. */
export type Access = (method: DescMethod, claimant: Claimant) => AbortSignal | undefined;

const REFLECTION = new Set([reflection.v1, reflection.v1alpha].map((each) => each.ServerReflection.typeName));
const { VIEWER, EDITOR, ADMIN, WORKER } = access.Caller;

/** A4. */
export const everybody: Access = () => undefined;

/** Users, by their tokens. */
export function usersOnly(tokens: Tokens): Access {
  return (method, { header }) => {
    if (isOpen(method)) return undefined; // A1
    const user = tokens.user(bearer(header("authorization")));
    if (!userMay(user, callerOf(method))) throw notAllowed(method, `"${user.name}" (${user.role})`);
    return user.over;
  };
}

/** Services of this cluster, by their certificates. */
export function servicesOnly(cluster: string): Access {
  return (method, { peer }) => {
    if (isOpen(method)) return undefined; // A1
    if (peer === undefined) throw unauthenticated("NO_CERTIFICATE", "the connection has no certificate of a service");
    if (peer.cluster !== cluster || !peerMay(peer, callerOf(method))) {
      throw notAllowed(method, `a ${peer.role} of the cluster "${peer.cluster}"`);
    }
    return undefined;
  };
}

/** A1. */
function callerOf(method: DescMethod): access.Caller {
  return REFLECTION.has(method.parent.typeName) ? VIEWER : getOption(method, access.caller);
}

function userMay({ role }: Pick<User, "role">, caller: access.Caller): boolean {
  const least = [VIEWER, EDITOR, ADMIN].indexOf(caller as typeof VIEWER);
  return least >= 0 && USER_ROLES.indexOf(role) >= least;
}

function peerMay({ role }: Peer, caller: access.Caller): boolean {
  return caller === WORKER && role === "worker";
}

function isOpen({ parent }: DescMethod): boolean {
  return parent.typeName === health.Health.typeName;
}

function bearer(header: string | undefined): Secret<string> {
  const token = /^Bearer +(\S+)$/i.exec(header ?? "")?.[1];
  if (token !== undefined) return new Secret(token);
  throw unauthenticated("TOKEN_MISSING", "the call has no token: set SHEAF_TOKEN, which `sheaf token create` prints");
}

function notAllowed({ name }: DescMethod, who: string) {
  return permissionDenied("NOT_ALLOWED", `${who} may not call ${name}`);
}
