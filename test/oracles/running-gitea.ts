import { strict as assert } from 'node:assert';
import { type ChildProcess, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childEnvironment, randomText } from '#kernel';
import { freePort } from '../bench/processes.ts';

/** The one that is built. */
export const VERSION = 'v1.26.0';
/** Built once a machine: it takes minutes. */
const BUILT = join(homedir(), '.cache', 'portcullis-oracles', `gitea-${VERSION}`);
const PROGRAM = join(BUILT, 'gitea');

/** Why there is no Gitea; undefined where there is one. */
export function buildGitea(): string | undefined {
  if (existsSync(PROGRAM)) return undefined;
  const go = (cwd: string, ...args: string[]): SpawnSyncReturns<string> =>
    spawnSync('go', args, { cwd, encoding: 'utf8', timeout: 1_800_000, maxBuffer: 1e9 });
  if (go(tmpdir(), 'version').error) return 'Go is not installed';
  if (spawnSync('git', ['version']).error) return 'git is not installed';
  rmSync(BUILT, { recursive: true, force: true });
  mkdirSync(BUILT, { recursive: true });
  const fetched = go(BUILT, 'mod', 'download', '-json', `code.gitea.io/gitea@${VERSION}`);
  if (fetched.status !== 0) return 'its module cannot be fetched';
  const { Dir } = JSON.parse(fetched.stdout) as { Dir: string };
  const source = join(BUILT, 'source');
  cpSync(Dir, source, { recursive: true });
  spawnSync('chmod', ['-R', 'u+w', source]);
  const tags = 'sqlite sqlite_unlock_notify';
  const built = go(source, 'build', '-buildvcs=false', '-tags', tags, '-o', PROGRAM, '.');
  return built.status === 0 ? undefined : `it does not build: ${built.stderr.trim().slice(-300)}`;
}

/** A running Gitea on a directory of its own. */
export class Gitea {
  readonly #tokens = new Map<string, string>();

  private constructor(
    readonly folder: string,
    readonly port: number,
    private readonly child: ChildProcess,
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  static async start(): Promise<Gitea> {
    const folder = mkdtempSync(join(tmpdir(), 'portcullis-gitea-'));
    const port = await freePort();
    writeFileSync(join(folder, 'app.ini'), configuration(folder, port));
    const child = spawn(PROGRAM, ['--config', join(folder, 'app.ini'), 'web'], {
      stdio: 'ignore',
      env: childEnvironment({ GITEA_WORK_DIR: folder, HOME: folder }),
    });
    const gitea = new Gitea(folder, port, child);
    for (let n = 0; n < 300; n += 1) {
      if (
        await fetch(`${gitea.url}/api/v1/version`).then(
          ({ ok }) => ok,
          () => false,
        )
      )
        return gitea;
      await sleep(200);
    }
    await gitea.stop();
    throw new Error('Gitea does not start');
  }

  async stop(): Promise<void> {
    const over = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await over;
    rmSync(this.folder, { recursive: true, force: true });
  }

  person(name: string, admin: boolean): string {
    const created = ['admin', 'user', 'create', '--username', name, '--email', `${name}@x.example`];
    this.#run(
      ...created,
      '--password',
      'Correct-Horse-1',
      '--must-change-password=false',
      ...(admin ? ['--admin'] : []),
    );
    const made = this.#run(
      'admin',
      'user',
      'generate-access-token',
      '--username',
      name,
      '--scopes',
      'all',
      '--raw',
    );
    const token = made.trim().split('\n').at(-1) ?? '';
    this.#tokens.set(name, token);
    return token;
  }

  async api(as: string, method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { authorization: `token ${this.#tokens.get(as)}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  }

  git(...args: string[]): string {
    const ran = spawnSync('git', args, {
      cwd: existsSync(join(this.folder, 'work')) ? join(this.folder, 'work') : this.folder,
      encoding: 'utf8',
      env: childEnvironment({ HOME: this.folder, GIT_TERMINAL_PROMPT: '0' }),
    });
    assert.equal(ran.status, 0, `git ${args.join(' ')}: ${ran.stderr}`);
    return ran.stdout.trim();
  }

  /** A commit with a new line in a file, pushed. */
  push(branch: string, file: string, ...force: string[]): string {
    const work = join(this.folder, 'work', file);
    mkdirSync(join(work, '..'), { recursive: true });
    writeFileSync(work, file.endsWith('.yml') ? WORKFLOW : randomText(12));
    this.git('add', '-A');
    this.git('commit', '-qm', file);
    this.git('push', '-q', ...force, 'origin', `HEAD:${branch}`);
    return this.git('rev-parse', 'HEAD');
  }

  #run(...args: string[]): string {
    const ran = spawnSync(PROGRAM, ['--config', join(this.folder, 'app.ini'), ...args], {
      encoding: 'utf8',
      env: childEnvironment({ GITEA_WORK_DIR: this.folder, HOME: this.folder }),
    });
    assert.equal(ran.status, 0, ran.stderr + ran.stdout);
    return ran.stdout;
  }
}

const WORKFLOW = 'on: push\njobs:\n  build:\n    runs-on: nowhere\n    steps:\n      - run: echo\n';

function configuration(folder: string, port: number): string {
  return `I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
WORK_PATH = ${folder}
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = ${port}
ROOT_URL = http://127.0.0.1:${port}/
STATIC_ROOT_PATH = ${join(BUILT, 'source')}
OFFLINE_MODE = true
DISABLE_SSH = true
[database]
DB_TYPE = sqlite3
PATH = ${join(folder, 'gitea.db')}
[security]
INSTALL_LOCK = true
SECRET_KEY = ${randomText(32)}
[webhook]
ALLOWED_HOST_LIST = loopback
[log]
MODE = file
ROOT_PATH = ${join(folder, 'log')}
[actions]
ENABLED = true
[repository]
ROOT = ${join(folder, 'repositories')}
`;
}
