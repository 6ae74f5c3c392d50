import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { randomText, readPrivateFile, StartError } from '#kernel';
import { processExists } from './directory-lock.ts';

/** What the embedded server keeps on disk: the cluster, its pid file, the password and the log. */

/** The major version of PostgreSQL that this build brings. */
const MAJOR = '18';
const LOG_LIMIT = 8 * 1024 * 1024;

export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly status: string;
}

/** What a running server says of itself (the lines are those of PostgreSQL's own pidfile.h). */
export function readPostmaster(cluster: string): Postmaster | undefined {
  let lines: string[];
  try {
    lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  return { pid, port: Number(lines[3]), status: (lines[7] ?? '').trim() };
}

/**
 * A dead server's pid file whose number now belongs to somebody else would keep PostgreSQL from starting. Its
 * first line gets our own number, which PostgreSQL ignores as that of its parent; the rest stays, because by
 * it PostgreSQL finds processes of the dead server that still have the data open.
 */
export function disown(cluster: string, pid: number): void {
  if (!processExists(pid)) return;
  const file = join(cluster, 'postmaster.pid');
  const [, ...rest] = readFileSync(file, 'utf8').split('\n');
  writeFileSync(file, [String(process.pid), ...rest].join('\n'));
}

export function assertCluster(cluster: string): void {
  const version = existsSync(join(cluster, 'PG_VERSION'))
    ? readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim()
    : undefined;
  if (version === undefined || !existsSync(join(cluster, 'global', 'pg_control'))) {
    throw new StartError(
      `${cluster} is not a PostgreSQL cluster, and it is not empty. Restore it from a backup, or move it away.`,
    );
  }
  if (version !== MAJOR) {
    throw new StartError(
      `${cluster} was made by PostgreSQL ${version}; this build brings ${MAJOR}. ` +
        `Make a backup with the build that made it, and restore it into a new data directory.`,
    );
  }
}

export const passwordFileOf = (home: string) => join(home, 'postgres-password');

export function readPassword(home: string): string {
  const file = passwordFileOf(home);
  if (!existsSync(file)) {
    throw new StartError(
      `${file} is missing: without it nobody can sign in to the database. Restore it from a backup.`,
    );
  }
  return readPrivateFile(file).toString('utf8').trim();
}

/** The superuser's password, on disk before the cluster is: a cluster without it is lost. */
export function ensurePassword(home: string): string {
  const file = passwordFileOf(home);
  if (existsSync(file) && readPassword(home) !== '') return readPassword(home);
  const password = randomText(32);
  const draft = `${file}.${randomText(6)}`;
  writeFileSync(draft, `${password}\n`, { mode: 0o600, flag: 'wx', flush: true });
  renameSync(draft, file);
  syncPath(home);
  return password;
}

/** Makes a new name in a directory survive a power loss. */
export function syncPath(directory: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Keeps the log bounded. The server appends to the open file, so it is emptied in place, never renamed. */
export function trimLog(file: string): void {
  if (!existsSync(file) || statSync(file).size < LOG_LIMIT) return;
  copyFileSync(file, `${file}.1`);
  chmodSync(`${file}.1`, 0o600);
  truncateSync(file);
}
