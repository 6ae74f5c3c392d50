import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './ports.ts';

/** Also where this runs built, from dist/test/kit. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]dist[/\\]$/, '');
/** Where .ci/run unpacks syslog-ng, which Debian does not install beside rsyslog. */
const UNPACKED = join(ROOT, '.cache/syslog-ng');

const rsyslogd = ['/usr/sbin/rsyslogd', '/usr/local/sbin/rsyslogd'].find((path) => existsSync(path));
const syslogNg = ['/usr/sbin/syslog-ng', join(UNPACKED, 'usr/sbin/syslog-ng')].find((path) =>
  existsSync(path),
);
const gtls = existsSync('/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so');

/** Why a recipe cannot be run here; undefined where it can. */
export function daemonMissing(product: Daemon, recipe: string): string | undefined {
  if (product === 'rsyslog' && rsyslogd === undefined) return 'rsyslog is not installed';
  if (product === 'rsyslog' && recipe.endsWith('tls') && !gtls) return 'rsyslog-gnutls is not installed';
  if (product === 'syslog-ng' && syslogNg === undefined) return 'syslog-ng is not here';
  return undefined;
}

export type Daemon = 'rsyslog' | 'syslog-ng';

/** The block of docs/siem/<product>.md that is marked so, as it stands there. */
function recipeOf(product: Daemon, recipe: string): string {
  const page = readFileSync(join(ROOT, `docs/siem/${product}.md`), 'utf8');
  const found = new RegExp(`\`\`\`${product} ${recipe}\n(.*?)\`\`\``, 's').exec(page)?.[1];
  if (found === undefined) throw new Error(`docs/siem/${product}.md has no recipe ${recipe}`);
  return found;
}

/** A real daemon run from a recipe of the documentation. It can be killed and started again on the same port. */
export class SyslogDaemon {
  #child: ChildProcess | undefined;
  #said = '';

  private constructor(
    private readonly product: Daemon,
    private readonly dir: string,
    readonly port: number,
  ) {}

  /** `certificates` is the folder they lie in. */
  static async start(
    product: Daemon,
    recipe: string,
    dir: string,
    certificates: string,
  ): Promise<SyslogDaemon> {
    const port = await freePort();
    for (const name of ['out', 'work']) mkdirSync(join(dir, name));
    chmodSync(dir, 0o755);
    const text = recipeOf(product, recipe)
      .replaceAll('/var/log/portcullis', join(dir, 'out'))
      .replaceAll(/\/etc\/(rsyslog\.d|syslog-ng)\/tls/g, certificates)
      .replaceAll(/port="(6514|601)"/g, `port="${port}" address="127.0.0.1"`)
      .replaceAll(/port\((6514|601)\)/g, `port(${port}) ip("127.0.0.1")`);
    writeFileSync(join(dir, 'conf'), text);
    const daemon = new SyslogDaemon(product, dir, port);
    await daemon.begin();
    return daemon;
  }

  async begin(): Promise<void> {
    const [program, args] =
      this.product === 'rsyslog'
        ? [rsyslogd, ['-n', '-f', join(this.dir, 'conf'), '-i', join(this.dir, 'pid')]]
        : [syslogNg, syslogNgArgs(this.dir)];
    if (program === undefined) throw new Error(`${this.product} is not here`);
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment() });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text) => (this.#said += String(text)));
    for (const deadline = Date.now() + 60_000; !(await listens(this.port)); await sleep(50)) {
      if (child.exitCode !== null) throw new Error(`${this.product} ended: ${this.#said}`);
      if (Date.now() > deadline) throw new Error(`${this.product} does not listen: ${this.#said}`);
    }
  }

  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), 8_000);
    await exited;
    clearTimeout(late);
  }

  /** Whole lines it has written for this organization. */
  lines(org: string): string[] {
    const file = this.#fileOf(org);
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  }

  /** How long what it has written for this organization is. */
  bytes(org: string): number {
    return statSync(this.#fileOf(org), { throwIfNoEntry: false })?.size ?? 0;
  }

  /** What it has written for this organization after so many bytes. */
  added(org: string, after: number): Buffer {
    const more = Buffer.alloc(this.bytes(org) - after);
    if (more.length === 0) return more;
    const file = openSync(this.#fileOf(org), 'r');
    try {
      return more.subarray(0, readSync(file, more, 0, more.length, after));
    } finally {
      closeSync(file);
    }
  }

  #fileOf(org: string): string {
    return join(this.dir, 'out', `${org}.ndjson`);
  }
}

function environment(): NodeJS.ProcessEnv {
  const libraries = ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu', 'usr/lib/syslog-ng'];
  const path = libraries.map((name) => join(UNPACKED, name)).join(':');
  return { PATH: process.env['PATH'], ...(syslogNg?.startsWith(UNPACKED) && { LD_LIBRARY_PATH: path }) };
}

function syslogNgArgs(dir: string): string[] {
  const modules = syslogNg?.startsWith(UNPACKED)
    ? [`--module-path=${join(UNPACKED, 'usr/lib/syslog-ng/3.38')}`]
    : [];
  const files = ['-f', join(dir, 'conf'), '-R', join(dir, 'persist'), '-c', join(dir, 'ctl')];
  return ['-F', '--no-caps', ...modules, ...files, '-p', join(dir, 'pid')];
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
