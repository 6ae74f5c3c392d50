import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { forbidden } from './rules.ts';

export interface Arrow {
  from: string;
  to: string;
}

export interface Cruised {
  modules: string[];
  arrows: Arrow[];
  /** `rule: from -> to`, sorted. */
  violations: string[];
}

/** Reads every module of a tree and holds it to the rules. The tree has the layout of this repository. */
export async function cruiseTree(root: string): Promise<Cruised> {
  const tops = ['libs', 'apps', 'migrations', 'test'].filter((top) => existsSync(join(root, top)));
  const { output } = await cruise(
    tops,
    {
      baseDir: root,
      ruleSet: { forbidden },
      validate: true,
      tsPreCompilationDeps: true, // type imports are arrows too
      doNotFollow: { path: 'node_modules' },
      // Build output, and planted violations of the specifications themselves.
      exclude: { path: '(^|/)(dist|coverage)/' },
      tsConfig: { fileName: join(root, 'tsconfig.json') },
    },
    // Some packages say only by `exports` where they are.
    { conditionNames: ['source', 'import', 'node', 'default'], exportsFields: ['exports'] },
    { tsConfig: extractTSConfig(join(root, 'tsconfig.json')) },
  );
  const { modules, summary } = output as ICruiseResult;
  const own = modules.filter(({ source }) => tops.some((top) => source.startsWith(`${top}/`)));
  return {
    modules: own.map(({ source }) => source).sort(),
    arrows: own.flatMap(({ source, dependencies }) =>
      dependencies.map(({ resolved }) => ({ from: source, to: resolved })),
    ),
    violations: summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`).sort(),
  };
}
