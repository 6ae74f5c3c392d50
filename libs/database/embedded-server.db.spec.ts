import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../../test/kit/database.ts';
import { runningProcesses } from '../../test/kit/processes.ts';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { findBinaries, restoreLinks } from './embedded-binaries.ts';
import { type EmbeddedServer, startEmbeddedServer } from './embedded-server.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = join(root, 'dist/test/kit/start-server.js');
const asRoot = process.getuid?.() === 0;
const servers: EmbeddedServer[] = [];
const children: ChildProcess[] = [];
const directories: string[] = [];

const freshDirectory = () => {
  const directory = mkdtempSync(join(inject('runDirectory'), 'server-'));
  chmodSync(directory, 0o711);
  directories.push(directory);
  return directory;
};

async function start(dataDir: string, log: string[] = []): Promise<EmbeddedServer> {
  const server = await startEmbeddedServer({ dataDir, log: (line) => log.push(line) });
  servers.push(server);
  return server;
}

/** Runs the program; resolves with what it says once its server runs, or was refused. */
async function app(dataDir: string, ending: string, identity: { uid?: number; gid?: number } = {}) {
  const child = spawn(process.execPath, [program, dataDir, ending], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...identity,
  });
  children.push(child);
  const exited = once(child, 'exit');
  let errors = '';
  child.stderr.on('data', (text) => (errors += String(text)));
  const silent = once(child, 'close').then(() => {
    throw new Error(`the program ended and said nothing: ${errors}`);
  });
  silent.catch(() => undefined);
  const [line] = (await Promise.race([once(child.stdout, 'data'), silent])) as [Buffer];
  return {
    child,
    exited,
    said: JSON.parse(String(line)) as { outcome?: string; adminUrl?: string; refused?: string },
  };
}

/**
 * Every postmaster of this cluster, found by its command line. What it has just forked has the same for a moment, and
 * is none.
 */
function postmasters(dataDir: string): number[] {
  const mine = `-D ${join(dataDir, 'postgres')} `;
  const found = runningProcesses().filter(({ command }) => command.includes(mine));
  return found.filter(({ parent }) => !found.some(({ pid }) => pid === parent)).map(({ pid }) => pid);
}

const pidFile = (dataDir: string) => join(dataDir, 'postgres', 'postmaster.pid');

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const server of servers.splice(0)) await server.stop();
  // A killed app leaves its server running, as it should.
  for (const pid of directories.splice(0).flatMap(postmasters)) process.kill(pid, 'SIGQUIT');
});

test('a cold start makes a cluster that asks for a password, keeps checksums and stays on loopback', async () => {
  const dataDir = freshDirectory();
  const server = await start(dataDir);
  expect(server.outcome).toBe('created');
  expect(statSync(join(dataDir, 'postgres-password')).mode & 0o777).toBe(0o600);

  const settings = await run(server.adminUrl, `select name, setting from pg_settings`);
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toMatchObject({
    data_checksums: 'on',
    fsync: 'on',
    synchronous_commit: 'on',
    server_encoding: 'UTF8',
    TimeZone: 'UTC',
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
  });
  const rules = await run(server.adminUrl, `select distinct auth_method from pg_hba_file_rules`);
  expect(rules).toEqual([{ auth_method: 'scram-sha-256' }]);

  const url = new URL(server.adminUrl);
  url.password = 'wrong';
  await expect(run(url.href, 'select 1')).rejects.toMatchObject({ code: '28P01' });

  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4');
  // The whole 127/8 network is this machine, so a server on 0.0.0.0 would answer at 127.0.0.2 too.
  for (const host of [outside?.address, '127.0.0.2'].filter((address) => address !== undefined)) {
    const socket = connect(Number(url.port), host);
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  }
});

test('a clean stop leaves no process, no pid file and no lock, and the data is there at the next start', async () => {
  const dataDir = freshDirectory();
  const first = await start(dataDir);
  await run(first.adminUrl, 'create table kept as select 42 as answer');
  await Promise.all([first.stop(), first.stop()]);
  expect(postmasters(dataDir)).toEqual([]);
  expect(existsSync(pidFile(dataDir))).toBe(false);
  expect(existsSync(join(dataDir, 'app.lock'))).toBe(false);

  const second = await start(dataDir);
  expect(second.outcome).toBe('started');
  expect(await run(second.adminUrl, 'select answer from kept')).toEqual([{ answer: 42 }]);
});

test('the server of an app that was killed is taken over with its data', async () => {
  const dataDir = freshDirectory();
  const killed = await app(dataDir, 'hold');
  expect(killed.said.outcome).toBe('created');
  await run(killed.said.adminUrl ?? '', 'create table kept as select 42 as answer');
  const before = postmasters(dataDir);
  expect(before).toHaveLength(1);
  killed.child.kill('SIGKILL');
  await killed.exited;

  const server = await start(dataDir);
  expect(server.outcome).toBe('reused');
  expect(postmasters(dataDir)).toEqual(before);
  expect(await run(server.adminUrl, 'select answer from kept')).toEqual([{ answer: 42 }]);
  await server.stop();
  expect(postmasters(dataDir)).toEqual([]);
});

test.each(['exit', 'throw'])(
  'an app that ends by %s without a stop takes its server with it',
  async (ending) => {
    const dataDir = freshDirectory();
    const { said, exited } = await app(dataDir, ending);
    expect(said.outcome).toBe('created');
    await exited;
    expect(postmasters(dataDir)).toEqual([]);
    expect(existsSync(pidFile(dataDir))).toBe(false);
  },
);

test('Ctrl-C in the terminal does not reach the server', async () => {
  const dataDir = freshDirectory();
  await app(dataDir, 'hold');
  const [pid = 0] = postmasters(dataDir);
  const group = (of: number) => readFileSync(`/proc/${of}/stat`, 'utf8').split(') ')[1]?.split(' ')[2];
  expect(group(pid)).toBe(String(pid));
});

test('a second app on the directory is refused and told which process has it', async () => {
  const dataDir = freshDirectory();
  await start(dataDir);
  const { said } = await app(dataDir, 'hold');
  expect(said.refused).toContain(`in use by process ${process.pid}`);
  expect(postmasters(dataDir)).toHaveLength(1);
});

test('of apps that start at the same moment one wins', async () => {
  const dataDir = freshDirectory();
  const said = (await Promise.all([1, 2, 3].map(() => app(dataDir, 'hold')))).map((one) => one.said);
  expect(said.filter((one) => one.outcome === 'created')).toHaveLength(1);
  expect(said.filter((one) => one.refused?.includes('in use by process'))).toHaveLength(2);
  expect(postmasters(dataDir)).toHaveLength(1);
});

describe('after a crash of the server', () => {
  test('a pid file whose process is gone does not stop the start', async () => {
    const dataDir = await crashed();
    const server = await start(dataDir);
    expect(server.outcome).toBe('started');
    expect(await run(server.adminUrl, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  test('a pid file whose number belongs to somebody else does not stop the start, nor harm that process', async () => {
    const dataDir = await crashed();
    const owner = statSync(pidFile(dataDir));
    // PostgreSQL minds only processes of its own user.
    const foreign = spawn('sleep', ['600'], { uid: owner.uid, gid: owner.gid, cwd: '/' });
    children.push(foreign);
    await once(foreign, 'spawn');
    const [, ...rest] = readFileSync(pidFile(dataDir), 'utf8').split('\n');
    writeFileSync(pidFile(dataDir), [foreign.pid, ...rest].join('\n'));
    const server = await start(dataDir);
    expect(server.outcome).toBe('started');
    expect(await run(server.adminUrl, 'select answer from kept')).toEqual([{ answer: 42 }]);
    expect(foreign.exitCode ?? foreign.signalCode).toBeNull();
  });

  test('a server that runs but does not answer is stopped and started anew', async () => {
    const dataDir = freshDirectory();
    const killed = await app(dataDir, 'hold');
    killed.child.kill('SIGKILL');
    await killed.exited;
    const [before] = postmasters(dataDir);
    // Never kill(0): that is our own process group, which would stand still with the whole run.
    if (before === undefined) throw new Error('the server did not outlive its app');
    process.kill(before, 'SIGSTOP');
    const log: string[] = [];
    const server = await start(dataDir, log);
    expect(server.outcome).toBe('started');
    expect(log.join('\n')).toContain('does not answer');
    expect(postmasters(dataDir)).toHaveLength(1);
    expect(postmasters(dataDir)).not.toContain(before);
  });

  async function crashed(): Promise<string> {
    const dataDir = freshDirectory();
    const killed = await app(dataDir, 'hold');
    await run(killed.said.adminUrl ?? '', 'create table kept as select 42 as answer');
    killed.child.kill('SIGKILL');
    for (const pid of postmasters(dataDir)) process.kill(pid, 'SIGKILL');
    await killed.exited;
    while (postmasters(dataDir).length > 0) await sleep(20);
    expect(existsSync(pidFile(dataDir))).toBe(true);
    return dataDir;
  }
});

test('an initdb that was interrupted is done again from the start', async () => {
  const dataDir = freshDirectory();
  // As initdb leaves it when killed: the version file is one of the first it writes.
  const half = join(dataDir, 'postgres.new-half');
  mkdirSync(join(half, 'cluster'), { recursive: true });
  writeFileSync(join(half, 'cluster', 'PG_VERSION'), '18\n');
  const server = await start(dataDir);
  expect(server.outcome).toBe('created');
  expect(readdirSync(dataDir).filter((name) => name.startsWith('postgres.new'))).toEqual([]);
});

test('an app killed during initdb does not spoil the next start', async () => {
  const dataDir = freshDirectory();
  const child = spawn(process.execPath, [program, dataDir, 'hold'], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const nursery = () => readdirSync(dataDir).find((name) => name.startsWith('postgres.new'));
  const begun = () => existsSync(join(dataDir, nursery() ?? 'none', 'cluster', 'PG_VERSION'));
  for (let waited = 0; !begun() && waited < 10_000; waited += 2) await sleep(2);
  child.kill('SIGKILL');
  await exited;
  expect(begun()).toBe(true);
  expect(existsSync(join(dataDir, 'postgres'))).toBe(false);
  expect((await start(dataDir)).outcome).toBe('created');
});

test('a directory of something else is refused, not overwritten', async () => {
  const dataDir = freshDirectory();
  mkdirSync(join(dataDir, 'postgres'));
  writeFileSync(join(dataDir, 'postgres', 'notes.txt'), 'mine');
  await expect(start(dataDir)).rejects.toThrow(/is not a PostgreSQL cluster/);
  expect(readFileSync(join(dataDir, 'postgres', 'notes.txt'), 'utf8')).toBe('mine');
});

test('a cluster of another major version is refused', async () => {
  const dataDir = freshDirectory();
  mkdirSync(join(dataDir, 'postgres', 'global'), { recursive: true });
  writeFileSync(join(dataDir, 'postgres', 'global', 'pg_control'), '');
  writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '17\n');
  await expect(start(dataDir)).rejects.toThrow(/made by PostgreSQL 17; this build brings 18/);
});

test('a lost password is an error that names the file', async () => {
  const dataDir = freshDirectory();
  await (await start(dataDir)).stop();
  unlinkSync(join(dataDir, 'postgres-password'));
  await expect(start(dataDir)).rejects.toThrow(/postgres-password is missing/);
});

test('a log that grew is emptied at the start and kept once', async () => {
  const dataDir = freshDirectory();
  writeFileSync(join(dataDir, 'postgres.log'), 'old\n');
  truncateSync(join(dataDir, 'postgres.log'), 9 * 1024 * 1024);
  await start(dataDir);
  expect(statSync(join(dataDir, 'postgres.log')).size).toBeLessThan(1024 * 1024);
  expect(statSync(join(dataDir, 'postgres.log.1')).size).toBe(9 * 1024 * 1024);
});

test('links that npm did not make are made', () => {
  const { home } = findBinaries();
  const copy = join(freshDirectory(), 'native');
  mkdirSync(join(copy, 'lib'), { recursive: true });
  cpSync(join(home, 'pg-symlinks.json'), join(copy, 'pg-symlinks.json'));
  cpSync(join(home, 'lib', 'libpq.so.5.18'), join(copy, 'lib', 'libpq.so.5.18'));
  expect(() => restoreLinks(copy, 'the-package')).not.toThrow();
  expect(readFileSync(join(copy, 'lib', 'libpq.so.5')).length).toBeGreaterThan(0);
});

describe.runIf(asRoot)('as root', () => {
  test('the server runs as another user, who owns the cluster and nothing else of the directory', async () => {
    const dataDir = freshDirectory();
    await start(dataDir);
    const [pid] = postmasters(dataDir);
    expect(statSync(`/proc/${pid}`).uid).not.toBe(0);
    expect(statSync(join(dataDir, 'postgres')).uid).toBe(statSync(`/proc/${pid}`).uid);
    expect(statSync(join(dataDir, 'postgres-password')).uid).toBe(0);
  });

  test('a directory the user cannot reach is named, with the fix, before anything is made', async () => {
    const locked = join(freshDirectory(), 'locked');
    mkdirSync(locked, { mode: 0o700 });
    const dataDir = join(locked, 'deep', 'data');
    await expect(start(dataDir)).rejects.toThrow(
      new RegExp(`may not enter ${locked}\\. .*${dataDir}.*PORTCULLIS_DATA_DIR.*chmod o\\+x ${locked}$`),
    );
    expect(readdirSync(locked)).toEqual([]);
  });

  test('a data directory closed to others is named too', async () => {
    const dataDir = freshDirectory();
    chmodSync(dataDir, 0o700);
    await expect(start(dataDir)).rejects.toThrow(`may not enter ${dataDir}`);
  });

  test('an app that is not root runs the server as itself, and needs a name for that', async () => {
    const dataDir = freshDirectory();
    const owner = 4711;
    chownSync(dataDir, owner, owner);
    const { said } = await app(dataDir, 'exit', { uid: owner, gid: owner });
    expect(said.refused).toContain('the user with the number 4711 has no name on this machine');
    expect(readdirSync(dataDir)).toEqual([]);

    const [, , uid = '', gid = ''] =
      /^nobody:.*$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0].split(':') ?? [];
    chownSync(dataDir, Number(uid), Number(gid));
    const named = await app(dataDir, 'hold', { uid: Number(uid), gid: Number(gid) });
    expect(named.said.outcome).toBe('created');
    expect(statSync(`/proc/${postmasters(dataDir)[0]}`).uid).toBe(Number(uid));
  });

  test('a cluster keeps the user it belongs to', async () => {
    const dataDir = freshDirectory();
    const first = await start(dataDir);
    await first.stop();
    const move = (path: string) => {
      chownSync(path, 4711, 4711);
      if (statSync(path).isDirectory()) for (const name of readdirSync(path)) move(join(path, name));
    };
    move(join(dataDir, 'postgres'));
    await start(dataDir);
    expect(statSync(`/proc/${postmasters(dataDir)[0]}`).uid).toBe(4711);
  });
});

test('a server that does not start says what its log says', async () => {
  const dataDir = freshDirectory();
  await (await start(dataDir)).stop();
  rmSync(join(dataDir, 'postgres', 'pg_hba.conf'));
  await expect(start(dataDir)).rejects.toThrow(/did not start: it ended with exit code 1\n[^]*pg_hba\.conf/);
  expect(existsSync(join(dataDir, 'app.lock'))).toBe(false);
});
