import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

export interface Source {
  /** Relative to the root, with forward slashes. */
  path: string;
  text: string;
}

/** Every source file of the tree, build output and installed packages aside. */
export function readSources(root: string): Source[] {
  return globSync('{apps,libs,migrations,test}/**/*.{ts,tsx,mts,mjs,js}', {
    cwd: root,
    exclude: (name) => /(^|[\\/])(node_modules|dist)$/.test(name),
  })
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** A rule about the text of one file: what breaks it, in words; and where it does not hold, with the reason. */
export interface SourceRule {
  name: string;
  offences: (source: Source) => string[];
  exempt: readonly { path: RegExp; reason: string }[];
}

const LONGEST_FILE = 400;

export const sourceRules: SourceRule[] = [
  {
    name: `no file is longer than ${LONGEST_FILE} lines`,
    offences: ({ text }) => {
      const lines = text.trimEnd().split('\n').length;
      return lines > LONGEST_FILE ? [`has ${lines} lines`] : [];
    },
    exempt: [{ path: /^apps\/console\/src\/client\//, reason: 'generated from OpenAPI' }],
  },
  {
    name: 'folders are named for capabilities, not for layers',
    offences: ({ path }) =>
      path
        .split('/')
        .slice(0, -1)
        .filter((folder) =>
          /^(dtos?|entit(y|ies)|mappers?|interfaces?|repositor(y|ies)|utils?|common|shared|helpers?)$/.test(
            folder,
          ),
        )
        .map((folder) => `is in a folder named ${folder}`),
    exempt: [],
  },
  {
    name: 'files are named in kebab-case',
    offences: ({ path }) => {
      const name = path.split('/').at(-1) ?? '';
      return /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+$/.test(name) ? [] : [`is named ${name}`];
    },
    exempt: [],
  },
  {
    name: 'nothing is named Manager, Helper, Base or with an I before it',
    offences: (source) => [
      ...(/(^|[-/])(manager|helpers?|base|utils?)(\.|$)/.test(source.path) ? ['is named for nothing'] : []),
      ...namesIn(source)
        .filter((name) => /(Manager|Helper|Util|Utils)$|^(Base|Abstract)[A-Z]|^I[A-Z][a-z]/.test(name))
        .map((name) => `declares ${name}`),
    ],
    exempt: [],
  },
  {
    name: 'the environment is read in one place',
    offences: (source) => environmentReads(source),
    exempt: [
      { path: /^libs\/kernel\/config\.ts$/, reason: 'the config reader' },
      { path: /^test\//, reason: 'tests give child processes their environment' },
    ],
  },
  {
    name: 'exceptions of the web framework stay in http',
    offences: (source) => exceptionImports(source),
    exempt: [{ path: /^libs\/http\//, reason: 'where faults become answers' }],
  },
];

export interface Offence {
  rule: string;
  path: string;
  what: string;
}

export function offencesIn(
  sources: readonly Source[],
  rules: readonly SourceRule[] = sourceRules,
): Offence[] {
  return rules.flatMap((rule) =>
    sources
      .filter(({ path }) => !rule.exempt.some((one) => one.path.test(path)))
      .flatMap((source) =>
        rule.offences(source).map((what) => ({ rule: rule.name, path: source.path, what })),
      ),
  );
}

function nodesOf({ path, text }: Source): ts.Node[] {
  const kind = path.endsWith('.tsx')
    ? ts.ScriptKind.TSX
    : path.endsWith('js')
      ? ts.ScriptKind.JS
      : ts.ScriptKind.TS;
  const nodes: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    nodes.push(node);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, kind));
  return nodes;
}

function namesIn(source: Source): string[] {
  return nodesOf(source).flatMap((node) =>
    (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) &&
    node.name
      ? [node.name.text]
      : [],
  );
}

/** Every way to `process.env` that a reader would write, comments and strings aside. */
function environmentReads(source: Source): string[] {
  return nodesOf(source).flatMap((node) => {
    if (ts.isPropertyAccessExpression(node) && node.name.text === 'env' && isProcess(node.expression)) {
      return ['reads process.env'];
    }
    if (ts.isElementAccessExpression(node) && isProcess(node.expression))
      return ['reads a computed part of process'];
    if (ts.isVariableDeclaration(node) && node.initializer && isProcess(node.initializer))
      return ['renames process'];
    if (ts.isImportDeclaration(node) && /^['"](node:)?process['"]$/.test(node.moduleSpecifier.getText())) {
      return ['imports process'];
    }
    return [];
  });
}

function isProcess(node: ts.Node): boolean {
  return /^(globalThis\.|global\.)?process$/.test(node.getText());
}

function exceptionImports(source: Source): string[] {
  return nodesOf(source).flatMap((node) => {
    if (!ts.isImportSpecifier(node) && !ts.isExportSpecifier(node)) return [];
    const statement = ts.isImportSpecifier(node) ? node.parent.parent.parent : node.parent.parent;
    const from = statement.moduleSpecifier?.getText() ?? '';
    const name = (node.propertyName ?? node.name).text;
    return /^['"]@nestjs\//.test(from) && name.endsWith('Exception') ? [`imports ${name}`] : [];
  });
}
