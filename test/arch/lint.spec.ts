import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What the linter must see, each with the rule that sees it. */
const planted: Record<string, string> = {
  'typescript(no-floating-promises)': 'export function f(): void { Promise.resolve(1); }',
  'typescript(no-misused-promises)': 'export const f = (): string => (Promise.resolve(true) ? "a" : "b");',
  'typescript(no-explicit-any)': 'export const f = (x: any): unknown => x;',
  'eslint(no-unused-vars)': 'const unused = 1; export {};',
  'eslint(eqeqeq)': 'export const f = (a: unknown): boolean => a == 1;',
  'typescript(only-throw-error)': 'export const f = (): never => { throw "text"; };',
  'typescript(return-await)':
    'export async function f(): Promise<void> { try { return Promise.resolve(); } catch {} }',
};

describe('the linter', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-lint-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('sees every planted fault', () => {
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { strict: true, target: 'es2024' } }),
    );
    Object.values(planted).forEach((text, n) => writeFileSync(join(folder, `fault-${n}.ts`), `${text}\n`));
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [
        join(ROOT, 'node_modules/oxlint/bin/oxlint'),
        '-c',
        join(ROOT, 'test/oxlint.json'),
        '--type-aware',
        '-f',
        'json',
        '.',
      ],
      { cwd: folder, encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string }[] };
    const seen = new Set(diagnostics.map(({ code, filename }) => `${code} in ${filename.split('/').at(-1)}`));
    const missed = Object.keys(planted).filter((code, n) => !seen.has(`${code} in fault-${n}.ts`));
    expect(missed).toEqual([]);
  });
});
