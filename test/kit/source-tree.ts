// The project's own files as data: what each imports, exports and calls. What the rules of test/tidy.test.ts look at.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Made by tools or fetched: not ours to keep tidy. */
const NOT_OURS = new Set(["node_modules", "target", "__pycache__", ".git", ".sheaf", ".cache"]);
const SERVICES = new Set(readdirSync(join(ROOT, "services")));
// Comments are not looked at, and parsing them is a third of the time.
const PARSING = { languageVersion: ts.ScriptTarget.Latest, jsDocParsingMode: ts.JSDocParsingMode.ParseNone };
const GENERATED = "libs/proto/src/gen/";

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Erased before the code runs: it cannot make a cycle. */
  readonly typeOnly: boolean;
  /** `import()`: it runs later, and cannot make a cycle at start. */
  readonly dynamic: boolean;
}

/** A name that is used as a value, with its object when it has one: `setTimeout`, `Date.now`, `new Date`. */
interface Use {
  readonly name: string;
  readonly line: number;
}

export interface SourceFile {
  /** From the project's root, with `/`. */
  readonly path: string;
  /** The folder of the package it is in (`libs/etcd`), or the top folder (`test`). */
  readonly home: string;
  readonly lines: number;
  readonly isTest: boolean;
  readonly imports: readonly Import[];
  readonly uses: readonly Use[];
  readonly hasDefaultExport: boolean;
}

/** Every file of the project as [path, text], generated ones too. */
export function readAll(folder = ROOT): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (NOT_OURS.has(entry.name)) continue;
    if (entry.isDirectory()) for (const [inner, text] of readAll(path)) files.set(inner, text);
    else if (entry.isFile()) files.set(relative(ROOT, path), readFileSync(path, "utf8"));
  }
  return files;
}

/** The sources among them, parsed. */
export function parseSources(files: ReadonlyMap<string, string>): SourceFile[] {
  return [...files]
    .filter(([path]) => /\.(ts|js)$/.test(path) && !path.startsWith(GENERATED))
    .map(([path, text]) => parse(path, text));
}

/** The file that an import leads to, when it is one of ours. */
export function targetOf(from: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return join(dirname(from), specifier);
  const name = /^@sheaf\/([^/]+)$/.exec(specifier)?.[1];
  if (name === undefined) return undefined;
  return SERVICES.has(name) ? `services/${name}/src/main.ts` : `libs/${name}/src/index.ts`;
}

function parse(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, PARSING, false);
  const imports: Import[] = [];
  const uses: Use[] = [];
  let hasDefaultExport = false;
  const lineAt = (node: ts.Node) => tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      if (node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
        const typeOnly = ts.isImportDeclaration(node)
          ? node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
          : node.isTypeOnly;
        imports.push({
          specifier: node.moduleSpecifier.text,
          line: lineAt(node),
          typeOnly,
          dynamic: false,
        });
      }
      return;
    }
    if (ts.isTypeNode(node)) return; // A type names things and uses none.
    if (isImportCall(node))
      imports.push({
        specifier: node.arguments[0].text,
        line: lineAt(node),
        typeOnly: false,
        dynamic: true,
      });
    if (ts.isExportAssignment(node) || hasDefaultModifier(node)) hasDefaultExport = true;
    const name = nameUsed(node);
    if (name !== undefined) uses.push({ name, line: lineAt(node) });
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return {
    path,
    home: homeOf(path),
    lines: text.split("\n").length - 1,
    isTest: isTest(path),
    imports,
    uses,
    hasDefaultExport,
  };
}

/** A test, or what only tests need: `test/`, `*.test.ts`, suites, benches, and what a package keeps in `testing/`. */
export function isTest(path: string): boolean {
  return /^test\/|\/testing\/|\.(test|suite|bench)\.[jt]s$/.test(path);
}

function nameUsed(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression))
    return `${node.expression.text}.${node.name.text}`;
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) return node.expression.text;
  if (ts.isNewExpression(node) && ts.isIdentifier(node.expression))
    return `new ${node.expression.text}(${node.arguments?.length ? "..." : ""})`;
  return undefined;
}

function isImportCall(node: ts.Node): node is ts.CallExpression & { arguments: [ts.StringLiteral] } {
  return (
    ts.isCallExpression(node) &&
    node.expression.kind === ts.SyntaxKind.ImportKeyword &&
    node.arguments[0] !== undefined &&
    ts.isStringLiteral(node.arguments[0])
  );
}

function hasDefaultModifier(node: ts.Node): boolean {
  return (
    ts.canHaveModifiers(node) &&
    (ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword) ?? false)
  );
}

function homeOf(path: string): string {
  const parts = path.split("/");
  const top = parts[0] ?? "";
  return top === "libs" || top === "services" ? parts.slice(0, 2).join("/") : top;
}
