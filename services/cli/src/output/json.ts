/** The API's messages as protobuf's JSON, one a line. Fields that are not set show with their default, so that scripts find them. */
import { type DescMessage, type MessageShape, toJsonString } from "@bufbuild/protobuf";

export function jsonLine<D extends DescMessage>(schema: D, message: MessageShape<D>): string {
  return `${toJsonString(schema, message, { alwaysEmitImplicit: true })}\n`;
}
