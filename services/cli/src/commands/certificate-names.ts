/** Names that certificates and Secrets are made for, as flags give them. What is no such name would make a certificate that nobody accepts. */
import { isIP } from "node:net";
import { NAME, NAME_FORM } from "@sheaf/runtime";
import { InvalidArgumentError } from "commander";

/** "sheaf.example.com", "*.example.com", "etcd-0". The last part of a name is no number: that is an address with a slip in it. */
const HOST =
  /^(?=.{1,253}$)(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*(?!\d+$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** One more host name or address. */
export function hostNames(text: string, before: readonly string[] = []): string[] {
  if (isIP(text) !== 0 || HOST.test(text)) return [...before, text];
  throw new InvalidArgumentError(
    "It must be the name or the address of a machine, like sheaf.example.com or 10.0.0.7, without https:// and port.",
  );
}

/** Of a cluster, as its services take it, or of a namespace of Kubernetes: both are labels of DNS. */
export function label(text: string): string {
  if (NAME.test(text)) return text;
  throw new InvalidArgumentError(`It is no name: ${NAME_FORM}.`);
}
