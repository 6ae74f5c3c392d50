import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { childEnvironment, randomText, StartError } from '#kernel';
import { ensureDatabase, freePort, ping, SUPERUSER, urlOf } from './embedded-connection.ts';
import { lockDirectory, processExists } from './directory-lock.ts';
import {
  type Account,
  assertNamed,
  assertReachable,
  assertRunnable,
  dataDirectoryFix,
  existingPart,
  makeDirectory,
  serviceAccount,
} from './embedded-account.ts';
import { type Binaries, findBinaries } from './embedded-binaries.ts';
import {
  assertCluster,
  disown,
  ensurePassword,
  passwordFileOf,
  type Postmaster,
  readPassword,
  readPostmaster,
  syncPath,
  trimLog,
} from './embedded-cluster.ts';

/**
 * A PostgreSQL server of our own on the data directory, for installations that bring none. It outlives a
 * killed app on purpose (a database must not die with its client), and the next start takes it over.
 */
export interface EmbeddedServer {
  /** The superuser's URL of the product's database, with its password. */
  readonly adminUrl: string;
  readonly outcome: 'created' | 'started' | 'reused';
  /** Ends the server: `fast` first, `immediate` when that takes too long. May be called more than once. */
  stop(): Promise<void>;
}

export interface EmbeddedServerOptions {
  readonly dataDir: string;
  readonly log: (line: string) => void;
  /** Server settings beyond ours, such as `{ fsync: 'off' }` for tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

const FAST_SHUTDOWN_MS = 8_000;
const IMMEDIATE_SHUTDOWN_MS = 6_000;

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  // Idle memory counts more than cache here: the operating system caches the files as well.
  shared_buffers: '64MB',
  io_method: 'sync',
  max_logical_replication_workers: '0',
  // A container's /dev/shm is 64 MB, which parallel queries outgrow.
  max_parallel_workers_per_gather: '0',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  log_line_prefix: '%m [%p] ',
  logging_collector: 'off',
  idle_in_transaction_session_timeout: '2min',
  cluster_name: 'portcullis',
} as const;

/** Starts the server on `<dataDir>/postgres`, creates it where there is none, takes over one left running. */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const wanted = resolve(options.dataDir);
  const account = serviceAccount(join(wanted, 'postgres'));
  if (account) assertReachable(account, existingPart(wanted), dataDirectoryFix(wanted));
  makeDirectory(wanted, account);
  const home = realpathSync(wanted);
  const binaries = findBinaries();
  if (account) assertRunnable(account, binaries);

  const lock = lockDirectory(home);
  const server = new Server(home, account, binaries, options, () => lock.release());
  try {
    await server.start();
    return server;
  } catch (error) {
    await server.stop().catch(() => undefined);
    throw error;
  }
}

class Server implements EmbeddedServer {
  adminUrl = '';
  outcome: EmbeddedServer['outcome'] = 'started';
  private readonly cluster: string;
  private readonly logFile: string;
  private pid: number | undefined;
  private stopping: Promise<void> | undefined;
  private logTrimmer: NodeJS.Timeout | undefined;

  constructor(
    private readonly home: string,
    private readonly account: Account | undefined,
    private readonly binaries: Binaries,
    private readonly options: EmbeddedServerOptions,
    private readonly release: () => void,
  ) {
    this.cluster = join(home, 'postgres');
    this.logFile = join(home, 'postgres.log');
  }

  async start(): Promise<void> {
    process.once('exit', this.stopOnExit);
    const created = await this.ensureCluster();
    const password = readPassword(this.home);
    const port = (await this.takeOver(password)) ?? (await this.launch(password));
    if (created) this.outcome = 'created';
    this.adminUrl = await ensureDatabase(urlOf(port, password));
    this.logTrimmer = setInterval(() => trimLog(this.logFile), 60_000);
    this.logTrimmer.unref();
  }

  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  private async end(): Promise<void> {
    clearInterval(this.logTrimmer);
    try {
      if (this.pid !== undefined) await this.halt(this.pid);
    } finally {
      process.off('exit', this.stopOnExit);
      this.release();
    }
  }

  /**
   * The last resort, for a process that ends without having called stop(). Nothing asynchronous runs any more,
   * so it waits with the thread held.
   */
  private readonly stopOnExit = (): void => {
    const pid = this.pid;
    if (pid !== undefined && isPostmaster(pid, this.cluster)) {
      this.signal(pid, 'INT');
      const gone = () => !isPostmaster(pid, this.cluster);
      if (!holdUntil(gone, FAST_SHUTDOWN_MS)) {
        this.signal(pid, 'QUIT');
        holdUntil(gone, IMMEDIATE_SHUTDOWN_MS);
      }
    }
    this.release();
  };

  /** True when the cluster had to be created. */
  private async ensureCluster(): Promise<boolean> {
    for (const name of readdirSync(this.home)) {
      // Left by an initdb that was interrupted; it may even still run, so every attempt has a name of its own.
      if (name.startsWith('postgres.new-')) rmSync(join(this.home, name), { recursive: true, force: true });
    }
    if (existsSync(this.cluster) && readdirSync(this.cluster).length > 0) {
      assertCluster(this.cluster);
      return false;
    }
    if (!this.account) assertNamed();
    const password = ensurePassword(this.home);
    const nursery = join(this.home, `postgres.new-${randomText(6)}`);
    const passwordFile = join(nursery, 'password');
    mkdirSync(nursery, { mode: 0o700 });
    writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' });
    if (this.account)
      for (const path of [nursery, passwordFile]) chownSync(path, this.account.uid, this.account.gid);
    const cluster = join(nursery, 'cluster');
    try {
      await this.run(this.binaries.initdb, [
        `--pgdata=${cluster}`,
        `--username=${SUPERUSER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        // The built-in provider sorts the same on every machine; a C library's order changes with its version.
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
        '--data-checksums',
        '--no-instructions',
      ]);
      // A cluster has this name only when it is whole and on disk.
      renameSync(cluster, this.cluster);
      syncPath(this.home);
    } finally {
      rmSync(nursery, { recursive: true, force: true });
    }
    return true;
  }

  /** The port of a server that already runs on this cluster and answers; others are stopped. */
  private async takeOver(password: string): Promise<number | undefined> {
    const found = readPostmaster(this.cluster);
    if (!found) return undefined;
    if (!isPostmaster(found.pid, this.cluster)) {
      disown(this.cluster, found.pid);
      return undefined;
    }
    this.pid = found.pid;
    if (await this.answers(found, password)) {
      this.outcome = 'reused';
      this.options.log(`took over the embedded PostgreSQL that was left running (process ${found.pid})`);
      return found.port;
    }
    if (isPostmaster(found.pid, this.cluster)) {
      this.options.log(`the embedded PostgreSQL (process ${found.pid}) does not answer and is stopped`);
      await this.halt(found.pid);
    }
    this.pid = undefined;
    return undefined;
  }

  /** Starts the server and returns its port once it takes connections. */
  private async launch(password: string): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      trimLog(this.logFile);
      const output = openSync(this.logFile, 'a', 0o600);
      const from = statSync(this.logFile).size;
      const settings = { ...SETTINGS, ...this.options.settings, port: String(port) };
      const child = spawn(
        this.binaries.postgres,
        [
          '-D',
          this.cluster,
          ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
        ],
        // A process group of its own: Ctrl-C in a terminal goes to the whole group, and the database must
        // not hear it before the app has closed its connections.
        { ...this.childOptions(), detached: true, stdio: ['ignore', output, output] },
      );
      closeSync(output);
      this.pid = child.pid;
      const ended = new Promise<string>((done) => {
        child.once('error', (error) => done(error.message));
        child.once('exit', (code, signal) => done(`it ended with ${signal ?? `exit code ${code}`}`));
      });
      const failure = await Promise.race([ended, this.ready(port, password)]);
      if (failure === undefined) {
        child.unref();
        void ended.then((how) => {
          if (!this.stopping) this.options.log(`the embedded PostgreSQL stopped without being asked: ${how}`);
        });
        return port;
      }
      this.pid = undefined;
      const said = readFileSync(this.logFile, 'utf8').slice(from).trim();
      // Somebody else may take the port in between; processes of a killed server may take a moment to go.
      const passing = /Address already in use|pre-existing shared memory block/i.test(said);
      if (passing && attempt < 10) {
        await sleep(attempt * 100);
        continue;
      }
      throw new StartError(
        `the embedded PostgreSQL did not start: ${failure}\n${said.split('\n').slice(-8).join('\n')}`,
      );
    }
  }

  /** Resolves (with nothing) once the server answers. Replaying its log after a crash may take long. */
  private async ready(port: number, password: string): Promise<undefined> {
    const pid = this.pid;
    for (let waited = 0; this.pid !== undefined && this.pid === pid; waited += 20) {
      const found = readPostmaster(this.cluster);
      if (
        found?.pid === pid &&
        found?.status === 'ready' &&
        (await ping(urlOf(port, password))) === undefined
      )
        return;
      if (waited > 0 && waited % 10_000 === 0) this.options.log('the embedded PostgreSQL is still starting');
      await sleep(20);
    }
    // The server ended: the race is decided by the other side.
    return new Promise(() => undefined);
  }

  /** Whether a running server lets us in. Throws where it lives but has another password. */
  private async answers(found: Postmaster, password: string): Promise<boolean> {
    let patience = performance.now() + 5_000;
    while (performance.now() < patience && isPostmaster(found.pid, this.cluster)) {
      const code = await ping(urlOf(found.port, password));
      if (code === undefined) return true;
      if (code === '28P01')
        throw new StartError(`the password in ${passwordFileOf(this.home)} is not that of its database`);
      // cannot_connect_now: it starts up or shuts down, which both come to an end.
      if (code === '57P03') patience = performance.now() + 5_000;
      await sleep(100);
    }
    return false;
  }

  private async halt(pid: number): Promise<void> {
    const gone = () => !isPostmaster(pid, this.cluster);
    for (const [signal, patience] of [
      ['INT', FAST_SHUTDOWN_MS],
      ['QUIT', IMMEDIATE_SHUTDOWN_MS],
      ['KILL', 2_000],
    ] as const) {
      if (gone()) return;
      this.signal(pid, signal);
      for (let waited = 0; waited < patience && !gone(); waited += 20) await sleep(20);
    }
    if (!gone()) throw new StartError(`the embedded PostgreSQL (process ${pid}) cannot be stopped`);
  }

  private signal(pid: number, name: 'INT' | 'QUIT' | 'KILL'): void {
    if (process.platform === 'win32') {
      spawnSync(this.binaries.pgCtl, ['kill', name, String(pid)], {
        env: childEnvironment(),
        windowsHide: true,
      });
      return;
    }
    try {
      process.kill(pid, `SIG${name}`);
      // One that is held (SIGSTOP) hears the signal only when it goes on.
      process.kill(pid, 'SIGCONT');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  private childOptions() {
    const identity = this.account ? { uid: this.account.uid, gid: this.account.gid } : {};
    return {
      ...identity,
      cwd: this.home,
      env: childEnvironment({ LC_ALL: 'C', TZ: 'UTC' }),
      windowsHide: true,
    };
  }

  private async run(program: string, args: string[]): Promise<void> {
    try {
      await promisify(execFile)(program, args, this.childOptions());
    } catch (error) {
      const { stderr, message } = error as Error & { stderr?: string };
      throw new StartError(`${basename(program)} failed: ${stderr?.trim() || message}`, { cause: error });
    }
  }
}

/** Whether this process is a postgres that was started on this very cluster: process numbers come back. */
function isPostmaster(pid: number, cluster: string): boolean {
  if (!processExists(pid)) return false;
  if (process.platform === 'win32') {
    const filters = ['/FI', `PID eq ${pid}`, '/FI', 'IMAGENAME eq postgres.exe'];
    return spawnSync('tasklist', filters, { encoding: 'utf8', env: childEnvironment() }).stdout.includes(
      'postgres.exe',
    );
  }
  if (process.platform !== 'linux') {
    const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
      env: childEnvironment(),
    });
    return stdout.includes('postgres') && stdout.includes(` -D ${cluster} `);
  }
  try {
    // Readable also for a root without CAP_SYS_PTRACE (containers), other than /proc/<pid>/cwd and exe.
    const [program = '', flag, directory] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return basename(program) === 'postgres' && flag === '-D' && directory === cluster;
  } catch {
    return false;
  }
}

function holdUntil(done: () => boolean, patience: number): boolean {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const until = performance.now() + patience;
  while (!done() && performance.now() < until) Atomics.wait(cell, 0, 0, 20);
  return done();
}
