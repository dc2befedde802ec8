/** The error door on the side of grpc-js. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, type StatusObject } from "@grpc/grpc-js";
import { googleRpc } from "@sheaf/proto";
import { deadlineExceeded, type SheafError } from "@sheaf/runtime";
import { codeNumber, isOurs, packDetails, unpackError, type WireDetail, wireMessage } from "./error-details.ts";
import { unreachable } from "./unreachable.ts";

const DETAILS_HEADER = "grpc-status-details-bin";

/** What grpc-js puts on the wire for this error. */
export function toGrpcStatus(error: SheafError): StatusObject {
  const code = codeNumber(error.code);
  const message = wireMessage(error);
  const details = packDetails(error).map(({ desc, value }) => anyPack(desc, value));
  const status = create(googleRpc.StatusSchema, { code, message, details });
  const metadata = new Metadata();
  metadata.set(DETAILS_HEADER, Buffer.from(toBinary(googleRpc.StatusSchema, status)));
  return { code, details: message, metadata };
}

/** The error behind a status that is not OK. What broke on the way is UNAVAILABLE and names the address. */
export function fromGrpcStatus(status: StatusObject, address: string): SheafError {
  const { details, message } = detailsOf(status);
  const error = unpackError(status.code, message, details);
  if (isOurs(details)) return error;
  if (isBroken(error)) return unreachable(address, status.details);
  if (error.code !== "DEADLINE_EXCEEDED") return error;
  return deadlineExceeded("DEADLINE_EXCEEDED", `no answer from ${address} in the time given for the call`);
}

/** A server that is killed while it answers shows as CANCELLED that nobody asked for. */
function isBroken({ code, message }: SheafError): boolean {
  if (code === "UNAVAILABLE" || code === "CANCELLED") return true;
  return code === "INTERNAL" && message.includes("RST_STREAM");
}

/** grpc-js leaves some escapes of the message's header as they are; the message in the details is whole. */
function detailsOf({ metadata, details: text }: StatusObject): {
  message: string;
  details: WireDetail[];
} {
  const [bytes] = metadata?.get(DETAILS_HEADER) ?? [];
  if (!(bytes instanceof Uint8Array)) return { message: text, details: [] };
  try {
    const { message, details } = fromBinary(googleRpc.StatusSchema, bytes);
    const wire = details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
      value,
    }));
    return { message, details: wire };
  } catch {
    return { message: text, details: [] };
  }
}
