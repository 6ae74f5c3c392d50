import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { join } from 'node:path';
import { childEnvironment } from '#kernel';
import { ROOT } from '../bench/processes.ts';

/** The golden lines of the export by parsers of PyPI, in a virtual environment below `folder`. Answers the exit code. */
export function verifyFormats(folder: string): number {
  const home = join(ROOT, 'test/oracles/formats');
  const venv = join(folder, 'venv');
  const run = (program: string, ...args: string[]): SpawnSyncReturns<string> =>
    spawnSync(program, args, { encoding: 'utf8', env: childEnvironment(), timeout: 180_000 });
  const skip = (reason: string): number => {
    console.log(`skipped: pycef, pycadf (${reason})`);
    return 0;
  };
  if (run('python3', '--version').status !== 0) return skip('Python is not installed');
  if (run('python3', '-m', 'venv', venv).status !== 0) return skip('Python has no venv');
  const python = join(venv, 'bin/python');
  const installed = run(python, '-m', 'pip', 'install', '-q', '-r', join(home, 'requirements.txt'));
  if (installed.status !== 0) return skip(`they cannot be installed: ${installed.stderr.trim().slice(-300)}`);
  const checked = run(python, join(home, 'check.py'), join(ROOT, 'libs/audit/golden'));
  process.stdout.write(checked.stdout);
  if (checked.status !== 0) {
    process.stdout.write(checked.stderr);
    return 1;
  }
  console.log('pycef and pycadf read the golden CEF and CADF lines as the native ones');
  console.log('skipped: LEEF (PyPI has no parser of LEEF 2.0 to hold it against)');
  return 0;
}
