/**
 * grpc.reflection, v1 and v1alpha, which differ in their package only: clients such as grpcurl ask it which services there are and how
 * their messages look. It tells no more than the contracts do.
 */
import { type DescFile, type DescMessage, type DescService, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { reflection } from "@sheaf/proto";
import { orAborted } from "@sheaf/runtime";
import { codeNumber } from "./error-details.ts";
import type { Handler } from "./handlers.ts";
import { implement, type MountedService } from "./mount.ts";

type Asked = reflection.v1.ServerReflectionRequest["messageRequest"];
type Answer = NonNullable<MessageInitShape<typeof reflection.v1.ServerReflectionResponseSchema>["messageResponse"]>;

/** Reflection of these services and of itself. */
export function reflectionServices(services: readonly DescService[]): MountedService[] {
  const { v1, v1alpha } = reflection;
  const known = catalogue([...services, v1.ServerReflection, v1alpha.ServerReflection]);
  /** One question, one answer, until the caller has no more. */
  const info: Handler<typeof v1.ServerReflection.method.serverReflectionInfo> = async (stream, { draining }) => {
    const questions = stream.messages[Symbol.asyncIterator]();
    for (;;) {
      const { done, value: asked } = await orAborted(questions.next(), draining);
      if (done === true) return;
      await stream.write({
        validHost: asked.host,
        originalRequest: asked,
        messageResponse: answer(asked.messageRequest, known),
      });
    }
  };
  return [
    implement(v1.ServerReflection, { serverReflectionInfo: info }),
    // The fields are the same.
    implement(v1alpha.ServerReflection, { serverReflectionInfo: info as never }),
  ];
}

interface Catalogue {
  readonly services: readonly string[];
  readonly files: ReadonlyMap<string, DescFile>;
  /** By full name: of services, their methods, messages and enums. */
  readonly symbols: ReadonlyMap<string, DescFile>;
}

function answer(asked: Asked, { services, files, symbols }: Catalogue): Answer {
  switch (asked.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: services.map((name) => ({ name })) } };
    case "fileByFilename":
      return fileAnswer(files.get(asked.value), `there is no file "${asked.value}"`);
    case "fileContainingSymbol":
      return fileAnswer(symbols.get(asked.value), `there is no symbol "${asked.value}"`);
    case "fileContainingExtension":
    case "allExtensionNumbersOfType":
      return failure("NOT_FOUND", "the contracts have no extensions");
    case undefined:
      return failure("INVALID_ARGUMENT", "the request asks nothing");
  }
}

/** The file with all that it imports, so that one answer is enough. */
function fileAnswer(file: DescFile | undefined, otherwise: string): Answer {
  if (file === undefined) return failure("NOT_FOUND", otherwise);
  const all = [...withImports(file, new Set())];
  const fileDescriptorProto = all.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function failure(code: "NOT_FOUND" | "INVALID_ARGUMENT", errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode: codeNumber(code), errorMessage } };
}

function withImports(file: DescFile, seen: Set<DescFile>): Set<DescFile> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const imported of file.dependencies) withImports(imported, seen);
  return seen;
}

function catalogue(services: readonly DescService[]): Catalogue {
  const seen = new Set<DescFile>();
  for (const { file } of services) withImports(file, seen);
  const symbols = new Map<string, DescFile>();
  for (const file of seen) for (const name of symbolsOf(file)) symbols.set(name, file);
  return {
    services: services.map(({ typeName }) => typeName).sort(),
    files: new Map([...seen].map((file) => [file.proto.name, file])),
    symbols,
  };
}

function* symbolsOf(file: DescFile): Generator<string> {
  for (const { typeName, methods } of file.services) {
    yield typeName;
    for (const { name } of methods) yield `${typeName}.${name}`;
  }
  for (const { typeName } of file.enums) yield typeName;
  for (const message of file.messages) yield* symbolsUnder(message);
}

function* symbolsUnder({ typeName, nestedMessages, nestedEnums }: DescMessage): Generator<string> {
  yield typeName;
  for (const { typeName: name } of nestedEnums) yield name;
  for (const message of nestedMessages) yield* symbolsUnder(message);
}
