import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { childEnvironment, StartError } from '#kernel';
import type { Binaries } from './embedded-binaries.ts';

/** The unprivileged user the server runs as; undefined where the app itself is one. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
}

const SERVICE_USER = 'portcullis-db';

/** PostgreSQL refuses to run as root: root's server runs as the cluster's owner, or as a system user. */
export function serviceAccount(cluster: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (existsSync(cluster)) {
    const { uid, gid } = lstatSync(cluster);
    if (uid !== 0) return { uid, gid, name: userName(uid) };
  }
  const known = userNamed('postgres') ?? userNamed(SERVICE_USER);
  if (known) return known;
  // useradd is in the shadow suite (Debian, Red Hat), adduser -S in BusyBox (Alpine).
  const shell = ['--shell', '/usr/sbin/nologin'];
  spawnSync('useradd', ['--system', '--user-group', '--no-create-home', ...shell, SERVICE_USER], {
    env: childEnvironment(),
  });
  if (!userNamed(SERVICE_USER)) {
    spawnSync('addgroup', ['-S', SERVICE_USER], { env: childEnvironment() });
    spawnSync('adduser', ['-S', '-D', '-H', '-G', SERVICE_USER, SERVICE_USER], { env: childEnvironment() });
  }
  const made = userNamed(SERVICE_USER);
  if (made) return made;
  throw new StartError(
    `PostgreSQL refuses to run as root, and no user for it could be made. Start Portcullis as another user, ` +
      `or make one: useradd --system ${SERVICE_USER}`,
  );
}

/** initdb wants a name for the user it runs as; containers that run as any number have none. */
export function assertNamed(): void {
  const uid = process.getuid?.();
  if (uid === undefined) return;
  try {
    userInfo();
  } catch {
    throw new StartError(
      `the user with the number ${uid} has no name on this machine, and PostgreSQL makes no cluster without one. ` +
        `Add it to /etc/passwd, start Portcullis as a user that is there, or name a PostgreSQL server in DATABASE_URL.`,
    );
  }
}

function users(): { name: string; uid: number; gid: number }[] {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 4)
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
}

const userNamed = (name: string) => users().find((user) => user.name === name);
const userName = (uid: number) => users().find((user) => user.uid === uid)?.name ?? `with the number ${uid}`;

export function assertRunnable(account: Account, binaries: Binaries): void {
  const fix = () =>
    `The PostgreSQL programs lie in ${binaries.home}: install Portcullis where every user may read it (such as ` +
    `/opt or /srv), start it as another user, or name a PostgreSQL server in DATABASE_URL.`;
  assertReachable(account, realpathSync(binaries.postgres), fix);
  const { status, stderr, error } = spawnSync(binaries.postgres, ['--version'], {
    uid: account.uid,
    gid: account.gid,
    cwd: '/',
    env: childEnvironment({ LC_ALL: 'C' }),
    encoding: 'utf8',
  });
  if (status !== 0) {
    throw new StartError(
      `the user ${account.name} cannot run ${binaries.postgres}: ${error?.message ?? stderr.trim()}`,
    );
  }
}

export function dataDirectoryFix(dataDir: string): (blocked: string) => string {
  return (blocked) =>
    `The data directory ${dataDir} is therefore out of its reach. Set PORTCULLIS_DATA_DIR to a directory it can ` +
    `reach (such as /var/lib/portcullis), or let others pass through: chmod o+x ${blocked}`;
}

/** Asks the kernel, as that user, about the path and each directory above it: modes alone miss access lists. */
export function assertReachable(account: Account, path: string, fix: (blocked: string) => string): void {
  const steps = [path];
  for (let at = path; dirname(at) !== at; at = dirname(at)) steps.unshift(dirname(at));
  const script = 'for step; do test -x "$step" || { printf %s "$step"; exit 1; }; done';
  const { status, stdout } = spawnSync('/bin/sh', ['-c', script, 'sh', ...steps], {
    uid: account.uid,
    gid: account.gid,
    cwd: '/',
    env: childEnvironment(),
    encoding: 'utf8',
  });
  if (status !== 1) return;
  throw new StartError(
    `the database server runs as the user ${account.name}, because PostgreSQL refuses to run as root, and that ` +
      `user may not enter ${stdout}. ${fix(stdout)}`,
  );
}

export function existingPart(path: string): string {
  let at = path;
  while (!existsSync(at)) at = dirname(at);
  return at;
}

/** Private to us, but for the server's user to pass through where that is another one. */
export function makeDirectory(path: string, account: Account | undefined): void {
  const mode = account ? 0o711 : 0o700;
  const first = mkdirSync(path, { recursive: true, mode });
  if (first === undefined) return;
  // The umask may have taken away what the server's user needs.
  for (let at = path; at.length >= first.length; at = dirname(at)) chmodSync(at, mode);
}
