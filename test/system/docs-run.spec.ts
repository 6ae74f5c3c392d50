import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';

/**
 * The pages are run as they stand: every `sh` block of a page, in its order, in one shell, against the product. Commands
 * that are not for a new deployment stand in blocks of no language. README.md comes first, and makes who the pages are
 * about.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const missing = ['bash', 'curl', 'oathtool'].filter((tool) => !isHere(tool));
if (missing.length > 0) console.warn(`skipped: the commands of the pages (no ${missing.join(', no ')} here)`);

interface Ran {
  readonly page: string;
  /** How often curl is called, at least. */
  readonly calls: number;
  /** What is refused on purpose, in order, as its page says. */
  readonly refused?: readonly number[];
  /** What is printed somewhere. */
  readonly prints: readonly string[];
}

const pages: readonly Ran[] = [
  { page: 'docs/access.md', calls: 4, prints: ['session:revoke'] },
  { page: 'docs/organizations.md', calls: 9, prints: ['"status":"disabled"', 'log reader'] },
  { page: 'docs/revocation.md', calls: 3, prints: ['{"revoked":'] },
  { page: 'docs/passwords.md', calls: 4, refused: [400], prints: ['"sent":false', '"reasons":["common"]'] },
  { page: 'docs/sessions.md', calls: 6, prints: ['"matched":', '"maxConcurrent":20'] },
  { page: 'docs/api-keys.md', calls: 4, prints: ['"slug":"globex"'] },
  {
    page: 'docs/capabilities.md',
    calls: 7,
    prints: ['"dryRun":true,"problems":[]', '"state":"quarantined"'],
  },
  { page: 'docs/secrets.md', calls: 7, prints: ['k3-Vf9q2', '"state":"started"'] },
  { page: 'docs/projection.md', calls: 14, prints: ['}ready\n', 'event: end'] },
  { page: 'docs/events.md', calls: 5, prints: ['portcullis.organization.created', 'event: portcullis.'] },
  { page: 'docs/audit.md', calls: 6, prints: ['x-audit-next', 'nothing is missing or altered'] },
  {
    page: 'docs/operations.md',
    calls: 6,
    prints: [
      '"state":"read-only"',
      '"state":"operational"',
      'portcullis_system_state{state="operational"} 1',
    ],
  },
  { page: 'docs/identity.md', calls: 5, refused: [401], prints: ['recoveryCodesLeft'] },
];

describe.skipIf(missing.length > 0)('the commands of the pages', () => {
  let product: Product;
  let folder: string;

  beforeAll(async () => {
    product = await startProduct();
    folder = await mkdtemp(join(tmpdir(), 'portcullis-docs-'));
    // Where somebody stands who has cloned and started it.
    symlinkSync(product.dataDir, join(folder, '.portcullis'));
    for (const name of ['node_modules', 'dist', 'package.json'])
      symlinkSync(join(ROOT, name), join(folder, name));
  });
  afterAll(async () => {
    await disposeAll([product]);
    await rm(folder, { recursive: true, force: true });
  });

  it('README.md: a deployment is set up, and a session ends when its admin says so', async () => {
    const { statuses, output } = await run(
      blocksOf('README.md').filter((block) => !block.startsWith('npm ci')),
    );
    // The first sign-in with a password for one time, and what was revoked.
    expect(statuses.filter((status) => status >= 400)).toEqual([401, 401, 401]);
    expect(statuses.length).toBeGreaterThanOrEqual(14);
    for (const said of ['204 after', 'auth.session_ended', 'auth.invalid_refresh_token', 'x-audit-root'])
      expect(output).toContain(said);
  });

  it.each(pages)('$page', async ({ page, calls, refused = [], prints }) => {
    const [signIn = ''] = blocksOf('docs/identity.md');
    const blocks = blocksOf(page);
    const { statuses, output } = await run([
      signIn,
      ...(page === 'docs/identity.md' ? blocks.slice(1) : blocks),
    ]);
    expect(
      statuses.filter((status) => status >= 400 || status === 0),
      output,
    ).toEqual(refused);
    expect(statuses.length, output).toBeGreaterThanOrEqual(calls + 2);
    for (const said of prints) expect(output).toContain(said);
  });

  /** Runs the blocks in one shell that stops at the first command that fails; answers the statuses curl got. */
  async function run(blocks: string[]): Promise<{ statuses: number[]; output: string }> {
    const script = [
      'set -eo pipefail',
      `curl() { command curl --silent --write-out '%{stderr}HTTP %{http_code}\\n' "$@"; }`,
      ...blocks,
    ]
      .join('\n')
      .replaceAll('http://127.0.0.1:8080', product.origin);
    const child = spawn('bash', ['-c', script], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter), HOME: folder },
    });
    const [[code], out, err] = await Promise.all([
      once(child, 'close'),
      text(child.stdout),
      text(child.stderr),
    ]);
    expect(code, `${out}\n${err}`).toBe(0);
    const statuses = [...err.matchAll(/^HTTP (\d+)$/gm)].map(([, status]) => Number(status));
    return { statuses, output: `${out}\n${err}` };
  }
});

function blocksOf(page: string): string[] {
  const blocks = readFileSync(join(ROOT, page), 'utf8').matchAll(/^```sh\n([\s\S]*?)^```/gm);
  return [...blocks].map(([, block = '']) => block);
}

function isHere(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, tool)));
}
