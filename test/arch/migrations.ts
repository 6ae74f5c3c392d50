/**
 * A migration that has landed has run on databases we do not see, so it is never edited: a new one amends it. The
 * lock file holds the digest of each. To lock new ones before they land:
 *
 *   node test/arch/migrations.ts
 *
 * It adds and never replaces; to unlock a migration that has not landed yet, take its line out by hand.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Lock = Record<string, string>;

/** File name and digest of every migration in the folder. */
export function digests(folder: string): Lock {
  if (!existsSync(folder)) return {};
  // index.ts only lists the others.
  const names = readdirSync(folder).filter((name) => name !== 'index.ts' && /(?<!\.spec)\.ts$/.test(name));
  return Object.fromEntries(
    names.sort().map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
    ]),
  );
}

/** What is wrong between the lock and the folder, in words. */
export function lockProblems(lock: Lock, found: Lock): string[] {
  const last = Object.keys(lock).sort().at(-1) ?? '';
  return [
    ...Object.keys(lock)
      .filter((name) => found[name] !== lock[name])
      .map((name) => `${name} ${found[name] === undefined ? 'is gone' : 'was edited'} after it was locked`),
    ...Object.keys(found)
      .filter((name) => lock[name] === undefined)
      .map((name) =>
        name < last
          ? `${name} would run before ${last}, which is locked`
          : `${name} is not locked yet (see migrations.ts)`,
      ),
    ...Object.keys(found)
      .filter((name) => !/^\d{13,14}-[a-z]+(-[a-z0-9]+)+\.ts$/.test(name))
      .map((name) => `${name} is not named <timestamp>-<verb-noun>.ts`),
  ];
}

export const FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url));
const LOCK_FILE = fileURLToPath(new URL('migrations.lock.json', import.meta.url));

export function readLock(): Lock {
  return JSON.parse(readFileSync(LOCK_FILE, 'utf8')) as Lock;
}

if (import.meta.main) {
  const lock = { ...digests(FOLDER), ...readLock() };
  const sorted = Object.fromEntries(Object.entries(lock).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(LOCK_FILE, `${JSON.stringify(sorted, null, 2)}\n`);
  for (const problem of lockProblems(lock, digests(FOLDER))) {
    console.error(problem);
    process.exitCode = 1;
  }
}
