/** Names that certificates and Secrets are made for, as flags give them. What is no such name would make a certificate that nobody accepts. */
import { isIP } from "node:net";
import { isClusterName } from "@sheaf/identity";
import { InvalidArgumentError } from "commander";

/** "sheaf.example.com", "*.example.com", "etcd-0". The last part of a name is no number: that is an address with a slip in it. */
const HOST =
  /^(?=.{1,253}$)(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*(?!\d+$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
/** A label of DNS, as Kubernetes has it. */
const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** One more host name or address. */
export function hostNames(text: string, before: readonly string[] = []): string[] {
  if (isIP(text) !== 0 || HOST.test(text)) return [...before, text];
  throw new InvalidArgumentError(
    "It must be the name or the address of a machine, like sheaf.example.com or 10.0.0.7, without https:// and port.",
  );
}

export function clusterName(text: string): string {
  if (isClusterName(text)) return text;
  throw new InvalidArgumentError("It must be 1 to 63 letters, digits, . _ -, and begin with a letter or a digit.");
}

export function namespace(text: string): string {
  if (NAMESPACE.test(text)) return text;
  throw new InvalidArgumentError("It must be 1 to 63 small letters, digits and -, and neither begin nor end with -.");
}
