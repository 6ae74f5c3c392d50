import { strict as assert } from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomText } from '#kernel';
import type { Client } from '../bench/client.ts';
import { Deployment, owner, signIn } from '../bench/deployment.ts';
import { cores } from '../bench/processes.ts';
import { GiteaServer } from '../kit/gitea-server.ts';
import { Gitea, VERSION } from './running-gitea.ts';

/**
 * A Gitea that nobody here wrote: it sends its own deliveries to the running product, which reads them from its API.
 * And the one that the specs run against must answer in its shapes.
 */
const SECRET = randomText(32);

interface Line {
  id: string;
  event: string;
  source: string;
  verdict: string;
  state: string;
  code?: string;
  prompted: { kind: string; ref?: string; commit: string; what: string }[];
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
  await intake.expect('pull_request', /^open merged refs\/heads\/main /);
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
  await listsRuns(gitea, gitea.git('rev-parse', 'HEAD'));

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

/** What the reading of everything asks for: the runs of one commit, and of no other. */
async function listsRuns(gitea: Gitea, commit: string): Promise<void> {
  const of = async (sha: string): Promise<string[]> => {
    const path = `/repos/ada/Ledger/actions/runs?head_sha=${sha}&limit=50`;
    const { workflow_runs: runs } = (await gitea.api('ada', 'GET', path)) as {
      workflow_runs: { head_sha: string }[];
    };
    return runs.map((run) => run.head_sha);
  };
  assert.deepEqual(await of(commit), [commit]);
  assert.deepEqual(await of('0'.repeat(40)), []);
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
  return Object.entries(ours).flatMap(([key, value]) =>
    Object.hasOwn(theirs as object, key)
      ? unlike(value, (theirs as Record<string, unknown>)[key], `${path}.${key}`)
      : [`${path}.${key} is not there`],
  );
}
