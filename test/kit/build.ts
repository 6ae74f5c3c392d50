import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Global set-up: builds before the first test. The launcher only builds what is missing, so without this a system
 * test could run, and prove, the product of an hour ago.
 */
export default function setup(): void {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}
