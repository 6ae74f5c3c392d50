import { strict as assert } from 'node:assert';
import { type ChildProcess, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childEnvironment, randomText } from '#kernel';
import type { Client } from '../bench/client.ts';
import { Deployment, owner, signIn } from '../bench/deployment.ts';
import { cores, freePort } from '../bench/processes.ts';
import { GiteaServer } from '../kit/gitea-server.ts';

/**
 * A Gitea that nobody here wrote: it sends its own deliveries to the running product, which reads them from its API.
 * And the one that the specs run against must answer in its shapes.
 */
const VERSION = 'v1.26.0';
const SECRET = randomText(32);
/** Built once a machine: it takes minutes. */
const BUILT = join(tmpdir(), `portcullis-oracle-gitea-${VERSION}`);
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

interface Line {
  id: string;
  event: string;
  source: string;
  verdict: string;
  state: string;
  code?: string;
  prompted: { kind: string; ref?: string; commit: string; what: string }[];
}

/** A running Gitea on a directory of its own. */
class Gitea {
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

/** Plays a repository's life, and looks at what came of each delivery. */
export async function verifyGitea(): Promise<number> {
  const { deployment, first } = await Deployment.start(cores.both, cores.both, {
    PORTCULLIS_EGRESS_ALLOW: '127.0.0.0/8',
  });
  const gitea = await Gitea.start().catch(async (error: unknown) => {
    await deployment.stop();
    throw error;
  });
  try {
    const shapes = await playedBy(gitea, first.client, first.port);
    console.log(
      `Gitea ${VERSION}: every delivery was taken, read again and came to what it should; ${shapes} shapes are its own`,
    );
    return 0;
  } catch (error) {
    console.log(`Gitea ${VERSION} disagrees: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    await gitea.stop();
    await deployment.stop();
  }
}

async function playedBy(gitea: Gitea, client: Client, port: number): Promise<number> {
  const token = gitea.person('ada', true);
  gitea.person('bob', false);
  await gitea.api('ada', 'POST', '/user/repos', { name: 'Ledger', auto_init: true, default_branch: 'main' });
  await gitea.api('ada', 'PUT', '/repos/ada/Ledger/collaborators/bob', { permission: 'write' });
  const intake = await Intake.open(client, gitea, token);
  const webhook = async (secret: string): Promise<number> => {
    const { id } = (await gitea.api('ada', 'POST', '/repos/ada/Ledger/hooks', {
      type: 'gitea',
      active: true,
      events: EVENTS,
      config: { url: `http://127.0.0.1:${port}${intake.path}`, content_type: 'json', secret },
    })) as { id: number };
    return id;
  };
  const giteaHook = await webhook(SECRET);
  await intake.reconcile();
  gitea.git('clone', '-q', `http://ada:Correct-Horse-1@127.0.0.1:${gitea.port}/ada/Ledger.git`, 'work');
  gitea.git('config', 'user.email', 'ada@x.example');
  gitea.git('config', 'user.name', 'ada');

  const one = gitea.push('main', 'one');
  await intake.expect('push', `open push refs/heads/main ${one}`);
  gitea.git('checkout', '-qb', 'feature/x');
  const two = gitea.push('feature/x', 'two');
  // A new branch is told of twice; whichever is read first opens.
  await intake.expect(/^(push|create)$/, `open push refs/heads/feature/x ${two}`);
  const pull = { title: 'x', head: 'feature/x', base: 'main' };
  await gitea.api('ada', 'POST', '/repos/ada/Ledger/pulls', pull);
  await intake.expect('pull_request', `open pull_request refs/pull/1/head ${two}`);
  await gitea.api('bob', 'POST', '/repos/ada/Ledger/pulls/1/reviews', { event: 'APPROVED', body: 'ok' });
  await intake.expect('pull_request_review_approved', `advance review refs/pull/1/head ${two}`);
  const three = gitea.push('feature/x', 'three');
  await intake.expect('pull_request_sync', `open pull_request refs/pull/1/head ${three}`);
  gitea.git('tag', 'v1');
  gitea.git('push', '-q', 'origin', 'v1');
  await intake.expect(/^(push|create)$/, `open tag refs/tags/v1 ${three}`);
  await gitea.api('ada', 'POST', '/repos/ada/Ledger/releases', { tag_name: 'v1', name: 'one' });
  await intake.expect('release', `open release refs/tags/v1 ${three}`);
  await gitea.api('ada', 'POST', `/repos/ada/Ledger/statuses/${one}`, { context: 'ci', state: 'success' });
  await intake.expect('status', `evidence status ci: success - ${one}`);
  const shapes = await compareShapes(gitea, one);
  await gitea.api('ada', 'POST', '/repos/ada/Ledger/pulls/1/merge', { Do: 'merge' });
  await intake.expect('pull_request', /^advance merged refs\/heads\/main /);
  gitea.git('push', '-q', 'origin', ':feature/x');
  await intake.expect(/^(push|delete)$/, `void ref_deleted refs/heads/feature/x ${three}`);
  gitea.git('fetch', '-q');
  gitea.git('checkout', '-q', '-B', 'main', 'origin/main');
  const merged = gitea.git('rev-parse', 'HEAD');
  gitea.git('reset', '-q', '--hard', one);
  const forced = gitea.push('main', 'four', '-f');
  await intake.expect('push', `void force_push refs/heads/main ${merged}`);
  await intake.expect('push', `open push refs/heads/main ${forced}`);
  gitea.push('main', '.gitea/workflows/ci.yml');
  await intake.expect('workflow_run', /^advance workflow /);
  await intake.expect('workflow_job', /^advance workflow /);

  // What Gitea never delivers is found all the same; what another secret signs is not taken.
  await gitea.api('ada', 'PATCH', `/repos/ada/Ledger/hooks/${giteaHook}`, { active: false });
  const missed = gitea.push('main', 'five');
  await intake.reconcile();
  await intake.expect('reconcile', `open push refs/heads/main ${missed}`);
  const before = (await intake.lines()).length;
  // Gitea's API changes the secret of no webhook, so this is another one.
  await webhook(randomText(32));
  gitea.push('main', 'six');
  await intake.refused('wrong_signature');
  const lines = await intake.lines();
  assert.equal(lines.length, before, 'a delivery under another secret was kept');
  const wrong = lines.filter(({ verdict, state }) => verdict === 'refused' || state !== 'done');
  assert.deepEqual(wrong, [], 'a delivery of Gitea was refused, or not done');
  return shapes;
}

const EVENTS = [
  'push',
  'create',
  'delete',
  'pull_request',
  'pull_request_review',
  'pull_request_sync',
  'release',
  'status',
  'workflow_run',
  'workflow_job',
  'issues',
];

/** The product's side. */
class Intake {
  private constructor(
    private readonly client: Client,
    private readonly base: string,
    private readonly audit: string,
    private readonly token: string,
    private readonly hook: string,
    readonly path: string,
  ) {}

  static async open(client: Client, gitea: Gitea, giteaToken: string): Promise<Intake> {
    const { accessToken, organization } = await signIn(client, owner);
    const org = `/api/v1/orgs/${organization.id}`;
    const fields = { token: giteaToken, secret: SECRET };
    await client.expect(201, 'POST', `${org}/secrets`, accessToken, { path: 'gitea', fields });
    const base = `${org}/integrations/gitea`;
    const { id, path } = await client.expect<{ id: string; path: string }>(201, 'POST', base, accessToken, {
      name: 'oracle',
      baseUrl: gitea.url,
      token: 'secret://gitea#token',
      secrets: ['secret://gitea#secret'],
      repositories: ['ada/Ledger'],
      tags: ['v*'],
      opens: ['push', 'tag', 'release', 'pull_request'],
    });
    return new Intake(client, base, `${org}/audit/events`, accessToken, id, path);
  }

  async lines(): Promise<Line[]> {
    const path = `${this.base}/${this.hook}/deliveries?limit=100`;
    return (await this.client.expect<{ items: Line[] }>(200, 'GET', path, this.token)).items;
  }

  async reconcile(): Promise<void> {
    const path = `${this.base}/${this.hook}/reconcile`;
    const { delivery } = await this.client.expect<{ delivery: string }>(202, 'POST', path, this.token);
    await until(`the reading ${delivery}`, async () =>
      (await this.lines()).some(({ id, state }) => id === delivery && state === 'done'),
    );
  }

  /** Waits until a delivery of this event came to this. */
  async expect(event: string | RegExp, prompt: string | RegExp): Promise<void> {
    const fits = (wanted: string | RegExp, is: string): boolean =>
      typeof wanted === 'string' ? wanted === is : wanted.test(is);
    await until(`${String(prompt)} of ${String(event)}`, async () =>
      (await this.lines()).some(
        (line) =>
          fits(event, line.event) &&
          line.prompted.some(({ kind, what, ref, commit }) =>
            fits(prompt, [kind, what, ref ?? '-', commit].join(' ')),
          ),
      ),
    );
  }

  async refused(reason: string): Promise<void> {
    const path = `${this.audit}?action=intake.delivery_refused`;
    await until(`a refusal: ${reason}`, async () =>
      (await this.client.expect<{ items: { reason?: string }[] }>(200, 'GET', path, this.token)).items.some(
        (one) => one.reason === reason,
      ),
    );
  }
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < 300; n += 1) {
    if (await holds()) return;
    await sleep(200);
  }
  throw new Error(`there was never ${what}`);
}

/** Each answer of the Gitea of the specs, compared with that of the real one: its fields are there, of its types. */
async function compareShapes(gitea: Gitea, commit: string): Promise<number> {
  const fake = await GiteaServer.start();
  try {
    const repo = fake.repo('ada/Ledger');
    const head = repo.push('main');
    repo.tags.set('v1', head);
    repo.releases.set('v1', { id: 1, draft: false });
    repo.review(repo.openPull(1, 'main', head), 'APPROVED');
    repo.statuses.set(head, new Map([['ci', 'success']]));
    const at = '/repos/ada/Ledger';
    const paths = [
      '',
      '/branches',
      '/branches/main',
      '/tags',
      '/tags/v1',
      '/releases',
      '/releases/tags/v1',
      '/pulls',
    ];
    const pairs = [
      ...[...paths, '/pulls/1', '/pulls/1/reviews'].map((path) => [at + path, at + path]),
      [`${at}/commits/${head}/status`, `${at}/commits/${commit}/status`],
      [`${at}/compare/${head}...${head}`, `${at}/compare/${commit}...${commit}`],
    ];
    for (const [ours = '', theirs = ''] of pairs) {
      const answer = await fetch(`${fake.url}/api/v1${ours}`, {
        headers: { authorization: `token ${fake.token}` },
      });
      assert.equal(answer.status, 200, ours);
      const wrong = unlike(await answer.json(), await gitea.api('ada', 'GET', theirs), ours);
      assert.deepEqual(wrong, [], 'the Gitea of the specs is none');
    }
    return pairs.length;
  } finally {
    await fake.stop();
  }
}

/** Where our answer has a field that theirs does not have, or has of another type. */
function unlike(ours: unknown, theirs: unknown, path: string): string[] {
  if (ours === null || theirs === null) return [];
  if (Array.isArray(ours) && Array.isArray(theirs)) {
    if (ours.length === 0) return [];
    return theirs.length === 0 ? [`${path} is empty`] : unlike(ours[0], theirs[0], `${path}[0]`);
  }
  if (typeof ours !== typeof theirs) return [`${path} is ${typeof theirs}`];
  if (typeof ours !== 'object') return [];
  return Object.entries(ours as object).flatMap(([key, value]) =>
    Object.hasOwn(theirs as object, key)
      ? unlike(value, (theirs as Record<string, unknown>)[key], `${path}.${key}`)
      : [`${path}.${key} is not there`],
  );
}
