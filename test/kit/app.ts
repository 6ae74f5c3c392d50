import { strict as assert } from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Api, api } from './client.ts';
import { freePort } from './ports.ts';
import { runningProcesses, type Seen, treeOf } from './processes.ts';

/** What `npm start` runs, without npm between us and the process. */
const START = ['apps/start.mjs'];
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** When to give up. The product ends itself with another code than 0 where a stop takes longer than it may. */
const STOP_WITHIN_MS = 60_000;
const madeHere = new Set<string>();

export interface StartOptions {
  /** A data directory that another start left; an empty one is made where none is given. */
  dataDir?: string;
  /** Another replica of this product: same data directory, same database, role api. */
  replicaOf?: Product;
  /** An external database. */
  databaseUrl?: string;
  role?: 'all' | 'api' | 'worker';
  /** The name people reach it by, on its port: passkeys need one. */
  publicHost?: string;
  env?: Record<string, string>;
  readyWithinMs?: number;
  /** Wait only until it answers, for a start that is meant not to get ready. */
  unready?: boolean;
  /** Another program than the product, to try this kit itself. */
  command?: readonly string[];
}

/** Starts the built product as a child process and waits until it answers. */
export async function startProduct(options: StartOptions = {}): Promise<Product> {
  const port = await freePort();
  const dataDir = options.replicaOf?.dataDir ?? options.dataDir ?? (await emptyDataDir());
  const databaseUrl = options.databaseUrl ?? (options.replicaOf && (await options.replicaOf.databaseUrl()));
  const role = options.role ?? (options.replicaOf ? 'api' : undefined);
  const logFile = join(dirname(dataDir), `product-${port}.log`);
  // It writes there itself: what it said last is there however it ended, and whenever one looks.
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, options.command ?? START, {
    cwd: ROOT,
    detached: true, // a group of its own, so that nothing of it can hide among ours
    stdio: ['ignore', log, log],
    env: {
      ...inherited(),
      HOST: '127.0.0.1',
      PORT: String(port),
      PORTCULLIS_DATA_DIR: dataDir,
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
      ...(role === undefined ? {} : { PORTCULLIS_ROLE: role }),
      ...(options.publicHost === undefined
        ? {}
        : { PORTCULLIS_PUBLIC_URL: `http://${options.publicHost}:${port}` }),
      ...options.env,
    },
  });
  closeSync(log);
  const product = new Product(child, port, dataDir, logFile, databaseUrl === undefined);
  try {
    await product.ready(options.readyWithinMs ?? 120_000, options.unready);
  } catch (error) {
    const madeNow = options.dataDir === undefined && options.replicaOf === undefined;
    await (madeNow ? disposeAll([product]) : product.dispose());
    throw error;
  }
  return product;
}

/** Runs the product where it is expected to refuse its start: how it ended, what it printed, how long it took. */
export async function refusedStart(
  env: Record<string, string>,
  withinMs = 120_000,
): Promise<{ code: number | null; output: string; ms: number }> {
  const began = performance.now();
  const child = spawn(process.execPath, START, {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited(), HOST: '127.0.0.1', PORT: String(await freePort()), ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, output, ms: performance.now() - began };
}

/** What the child needs of our environment; nothing that would configure the product behind a test's back. */
function inherited(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(PORTCULLIS_|DATABASE_URL$|NODE_ENV$|NODE_OPTIONS$|VITEST|PORT$|HOST$|PG)/.test(name),
  );
  return Object.fromEntries(kept);
}

/** The unprivileged user that runs PostgreSQL under root must be able to pass through, so o+x up to the top. */
async function emptyDataDir(): Promise<string> {
  const top = await mkdtemp(join(tmpdir(), 'portcullis-'));
  await chmod(top, 0o711);
  madeHere.add(top);
  const dataDir = join(top, 'data');
  await mkdir(dataDir);
  await chmod(dataDir, 0o711);
  return dataDir;
}

export class Product {
  readonly origin: string;
  readonly api: Api;
  private readonly startedAt = performance.now();
  /** How long the start took until the product answered. */
  readyAfterMs = NaN;

  constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    readonly dataDir: string,
    readonly logFile: string,
    private readonly ownsDatabase: boolean,
  ) {
    this.origin = `http://127.0.0.1:${port}`;
    this.api = api(this.origin);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the product has no process');
    return this.child.pid;
  }

  /** Everything the product printed. */
  output(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  /** The one-time token of the first start. */
  async setupToken(): Promise<string> {
    return (await readFile(join(this.dataDir, 'setup-token'), 'utf8')).trim();
  }

  /** How further replicas reach the embedded database. */
  async databaseUrl(): Promise<string> {
    return (await readFile(join(this.dataDir, 'database-url'), 'utf8')).trim();
  }

  /** Resolves when the product is ready, or waits for its set-up; `unready`: when it answers at all. */
  async ready(withinMs: number, unready = false): Promise<void> {
    const deadline = Date.now() + withinMs;
    while (!(await this.answers(unready))) {
      const end = this.ended() ? `ended with ${this.child.exitCode ?? this.child.signalCode}` : undefined;
      if (end !== undefined || Date.now() > deadline) {
        throw new Error(
          `the product ${end ?? `did not answer in ${withinMs} ms`}:\n${this.output().slice(-5000)}`,
        );
      }
      await sleep(50);
    }
    this.readyAfterMs = performance.now() - this.startedAt;
  }

  private async answers(unready: boolean): Promise<boolean> {
    if (this.ended()) return false;
    if (unready) return (await statusOf(`${this.origin}/health`)) === 200;
    if ((await statusOf(`${this.origin}/health/ready`)) === 200) return true;
    const setupNeeded = existsSync(join(this.dataDir, 'setup-token'));
    return setupNeeded && (await statusOf(`${this.origin}/health`)) === 200;
  }

  private ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Stops as Ctrl-C or a service manager does; fails unless all of it is gone, with exit code 0. */
  async stop(withinMs = STOP_WITHIN_MS): Promise<void> {
    const before = this.processes();
    const deadline = Date.now() + withinMs;
    this.child.kill('SIGTERM');
    while (Date.now() < deadline && (!this.ended() || this.left(before).length > 0)) await sleep(50);
    const left = this.left(before);
    const shown = left.map(({ pid, command }) => `${pid} ${command}`).join('\n');
    assert.equal(left.length, 0, `${withinMs} ms after SIGTERM there still are:\n${shown}`);
    assert.deepEqual([this.child.exitCode, this.child.signalCode], [0, null], this.output().slice(-5000));
  }

  /** Kills the product without warning. The embedded database is left running, as it would be. */
  async kill9(): Promise<void> {
    const exited = this.ended() ? undefined : once(this.child, 'exit');
    for (const { pid } of this.processes().filter((one) => !this.isDatabase(one))) kill(pid);
    await exited;
  }

  /** Ends whatever is left, for after a test, whether it went well or not. */
  async dispose(): Promise<void> {
    const exited = this.ended() || this.child.pid === undefined ? undefined : once(this.child, 'exit');
    for (const { pid } of this.processes()) kill(pid);
    if (this.child.pid !== undefined) kill(this.child.pid);
    await exited;
    for (let turn = 0; turn < 100 && this.processes().length > 0; turn += 1) await sleep(20);
  }

  /** All processes of this product: below the child, in its group, or working in its data directory. */
  processes(): Seen[] {
    const all = runningProcesses();
    const ours = [
      ...(this.child.pid === undefined ? [] : treeOf(this.child.pid, all)),
      ...all.filter((one) => one.group === this.child.pid || this.isDatabase(one)),
    ];
    return [...new Map(ours.map((one) => [one.pid, one])).values()];
  }

  /** PostgreSQL's own children leave the group and outlive their parent, but work in the data directory. */
  private isDatabase({ cwd }: Seen): boolean {
    return this.ownsDatabase && (cwd === this.dataDir || cwd.startsWith(`${this.dataDir}/`));
  }

  private left(before: Seen[]): Seen[] {
    const known = new Set(before.map(({ pid, started }) => `${pid} ${started}`));
    const all = runningProcesses().filter(({ pid, started }) => known.has(`${pid} ${started}`));
    return [...new Map([...all, ...this.processes()].map((one) => [one.pid, one])).values()];
  }
}

/** Ends what is left of all of these, replicas first, and removes the data directories that were made here. */
export async function disposeAll(products: Iterable<Product | undefined>): Promise<void> {
  const all = [...products].filter((one) => one !== undefined);
  for (const product of all.toReversed()) await product.dispose();
  for (const top of all.map(({ dataDir }) => dirname(dataDir)).filter((one) => madeHere.has(one))) {
    await rm(top, { recursive: true, force: true, maxRetries: 5 });
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

async function statusOf(url: string): Promise<number> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.status;
  } catch {
    return 0;
  }
}
