import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GiteaRepo, type Pull } from './gitea-repo.ts';
import { branchOf, compare, reviewOf, runOf, statusOf, tagOf, user } from './gitea-shapes.ts';

/** What is done to an answer instead of sending it as it is. */
export type Mishap =
  'hang' | 'redirect' | 'truncate' | 'oversize' | 'not_json' | 'wrong_shape' | 'break_off' | number;

/** The specific name of an event to the one that is sent beside it, where they differ. */
const GENERAL: Readonly<Record<string, string>> = {
  pull_request_sync: 'pull_request',
  pull_request_label: 'pull_request',
  pull_request_review_approved: 'pull_request_approved',
  pull_request_review_rejected: 'pull_request_rejected',
  pull_request_review_comment: 'pull_request_comment',
  pull_request_comment: 'issue_comment',
};

export interface Delivery {
  readonly headers: Record<string, string>;
  readonly body: string;
}

const ZERO = '0'.repeat(40);

/**
 * A Gitea of a few repositories: the part of its API that the product asks, in the shapes of its 1.26 (compared with a
 * running one by test/oracles/gitea.ts), and the webhooks it sends. Strict: whatever its API does not know is a 404 and
 * stands in `strange`.
 */
export class GiteaServer {
  readonly repos = new Map<string, GiteaRepo>();
  readonly requests: string[] = [];
  /** What its API does not know. */
  readonly strange: string[] = [];
  token = 'gitea-token-of-the-deployment';
  /** For the next answers whose path this fits; undefined where all is well. */
  mishap: { path: RegExp; what: Mishap; times: number } | undefined;
  /** Before an answer is made: whatever changes at the last moment. */
  meanwhile: ((path: string) => Promise<void> | void) | undefined;
  readonly #server = createServer((request, response) => void this.#take(request, response));

  static async start(): Promise<GiteaServer> {
    const made = new GiteaServer();
    made.#server.listen(0, '127.0.0.1');
    await once(made.#server, 'listening');
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  repo(fullName: string, id = this.repos.size + 1): GiteaRepo {
    const made = new GiteaRepo(fullName, id);
    this.repos.set(fullName.toLowerCase(), made);
    return made;
  }

  // ---- webhooks -------------------------------------------------------------------------------------------

  /** As Gitea signs and sends it; without a secret the signatures are there and empty. */
  static deliver(
    type: string,
    payload: object,
    secret: string | undefined,
    delivery: string = randomUUID(),
  ): Delivery {
    // Gitea's JSON is indented.
    const body = JSON.stringify(payload, null, 2);
    const hmac = (name: string): string =>
      secret === undefined ? '' : createHmac(name, secret).update(body).digest('hex');
    const event = GENERAL[type] ?? type;
    return {
      body,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Go-http-client/1.1',
        'x-gitea-delivery': delivery,
        'x-gitea-event': event,
        'x-gitea-event-type': type,
        'x-gitea-hook-installation-target-type': 'repository',
        'x-gitea-signature': hmac('sha256'),
        'x-gogs-delivery': delivery,
        'x-gogs-event': event,
        'x-gogs-event-type': type,
        'x-gogs-signature': hmac('sha256'),
        'x-github-delivery': delivery,
        'x-github-event': event,
        'x-github-event-type': type,
        'x-hub-signature': `sha1=${hmac('sha1')}`,
        'x-hub-signature-256': `sha256=${hmac('sha256')}`,
      },
    };
  }

  pushed(repo: GiteaRepo, ref: string, before = ZERO, after?: string): object {
    const to =
      after ?? repo.branches.get(ref.replace('refs/heads/', '')) ?? repo.tags.get(ref.slice(10)) ?? ZERO;
    return {
      ref,
      before,
      after: to,
      compare_url: `${this.url}/${repo.fullName}/compare/${before}...${to}`,
      commits: [{ id: to, message: 'one\n', author: user('ada'), committer: user('ada') }],
      total_commits: 1,
      head_commit: { id: to },
      repository: this.#repository(repo),
      pusher: user('ada'),
      sender: user('ada'),
    };
  }

  named(repo: GiteaRepo, ref_type: string, ref: string): object {
    return {
      sha: repo.branches.get(ref) ?? ZERO,
      ref,
      ref_type,
      repository: this.#repository(repo),
      sender: user('ada'),
    };
  }

  pulled(repo: GiteaRepo, pull: Pull, action: string, review: object | null = null): object {
    return {
      action,
      number: pull.number,
      pull_request: this.#pull(repo, pull),
      requested_reviewer: null,
      repository: this.#repository(repo),
      sender: user('bob'),
      commit_id: '',
      review,
    };
  }

  released(repo: GiteaRepo, tag: string, action: string): object {
    return {
      action,
      release: this.#release(repo, tag),
      repository: this.#repository(repo),
      sender: user('ada'),
    };
  }

  statused(repo: GiteaRepo, sha: string, context: string, state: string): object {
    return {
      commit: { id: sha },
      context,
      id: 1,
      sha,
      state,
      repository: this.#repository(repo),
      sender: user('ada'),
    };
  }

  ran(repo: GiteaRepo, id: number): object {
    return {
      action: 'completed',
      workflow: null,
      workflow_run: { id },
      repository: this.#repository(repo),
      sender: user('ada'),
    };
  }

  ranJob(repo: GiteaRepo, id: number): object {
    return {
      action: 'completed',
      workflow_job: { id },
      repository: this.#repository(repo),
      sender: user('ada'),
    };
  }

  forked(repo: GiteaRepo): object {
    return { forkee: this.#repository(repo), repository: this.#repository(repo), sender: user('ada') };
  }

  // ---- the API --------------------------------------------------------------------------------------------

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    this.requests.push(`${request.method} ${request.url}`);
    await this.meanwhile?.(url.pathname);
    const { mishap } = this;
    if (mishap && mishap.times > 0 && mishap.path.test(url.pathname)) {
      mishap.times -= 1;
      return fail(mishap.what, response);
    }
    const known = request.headers.authorization === `token ${this.token}`;
    if (!known) return send(response, 401, { message: 'invalid username, password or token', url: '' });
    if (request.method !== 'GET') return this.#unknown(request, response);
    this.#answer(url, request, response);
  }

  #unknown(request: IncomingMessage, response: ServerResponse): void {
    this.strange.push(`${request.method} ${request.url}`);
    send(response, 404, { errors: null, message: 'not found', url: '' });
  }

  #answer(url: URL, request: IncomingMessage, response: ServerResponse): void {
    const parts = url.pathname.split('/').map(decodeURIComponent);
    const [, api, version, repos, owner, name, ...rest] = parts;
    if (api !== 'api' || version !== 'v1' || repos !== 'repos') return this.#unknown(request, response);
    const repo = this.repos.get(`${owner}/${name}`.toLowerCase());
    const one = (value: object | undefined): void =>
      value === undefined
        ? send(response, 404, { message: 'not found', url: '' })
        : send(response, 200, value);
    const many = (all: object[]): void => {
      const limit = Math.min(50, Number(url.searchParams.get('limit') ?? 30));
      const page = Number(url.searchParams.get('page') ?? 1);
      send(response, 200, all.slice((page - 1) * limit, page * limit), {
        'x-total-count': String(all.length),
      });
    };
    if (!repo) return one(undefined);
    const path = rest.length > 1 ? `${rest[0]}/` : (rest[0] ?? '');
    const last = rest.at(-1) ?? '';
    switch (path) {
      case '':
        return one(this.#repository(repo));
      case 'branches':
        return many([...repo.branches.keys()].map((branch) => branchOf(repo, branch)));
      case 'branches/':
        return one(repo.branches.has(last) ? branchOf(repo, last) : undefined);
      case 'tags':
        return many([...repo.tags.keys()].map((tag) => tagOf(repo, tag)));
      case 'tags/':
        return one(repo.tags.has(last) ? tagOf(repo, last) : undefined);
      case 'releases':
        return many([...repo.releases.keys()].map((tag) => this.#release(repo, tag)));
      case 'releases/':
        return one(repo.releases.has(last) && rest[1] === 'tags' ? this.#release(repo, last) : undefined);
      case 'pulls': {
        const state = url.searchParams.get('state') ?? 'open';
        const pulls = [...repo.pulls.values()].filter((pull) => state === 'all' || pull.state === state);
        return many(pulls.map((pull) => this.#pull(repo, pull)));
      }
      case 'pulls/': {
        const pull = repo.pulls.get(Number(rest[1]));
        if (!pull || rest.length === 2) return one(pull && this.#pull(repo, pull));
        return rest[2] === 'reviews'
          ? many(pull.reviews.map((review) => reviewOf(pull, review)))
          : one(undefined);
      }
      case 'commits/':
        return rest[2] === 'status' && repo.commits.has(rest[1] ?? '')
          ? one(statusOf(repo, rest[1] ?? ''))
          : one(undefined);
      case 'compare/':
        return one(compare(repo, last));
      case 'actions/': {
        if (rest.length === 2 && last === 'runs') {
          const of = [...repo.runs].filter(([, { commit }]) => commit === url.searchParams.get('head_sha'));
          return one({
            workflow_runs: of.map(([id, each]) => runOf(id, each)),
            total_count: of.length,
          });
        }
        const run = repo.runs.get(Number(last));
        if (rest[1] === 'runs') return one(run && runOf(Number(last), run));
        const runId = rest[1] === 'jobs' ? repo.jobs.get(Number(last)) : undefined;
        return one(
          runId === undefined ? undefined : { id: Number(last), run_id: runId, status: 'completed' },
        );
      }
      default:
        return this.#unknown(request, response);
    }
  }

  #repository({ fullName, id }: GiteaRepo): object {
    const [owner = '', name = ''] = fullName.split('/');
    return {
      id,
      owner: user(owner),
      name,
      full_name: fullName,
      html_url: `${this.url}/${fullName}`,
      default_branch: 'main',
    };
  }

  #pull(repo: GiteaRepo, pull: Pull): object {
    const repository = this.#repository(repo);
    return {
      id: pull.number,
      number: pull.number,
      user: user('ada'),
      title: 'a change',
      state: pull.state,
      draft: false,
      merged: pull.merged,
      merge_commit_sha: pull.mergeCommit,
      base: {
        label: pull.base,
        ref: pull.base,
        sha: repo.branches.get(pull.base) ?? ZERO,
        repo_id: repo.id,
        repo: repository,
      },
      head: { label: 'x', ref: 'x', sha: pull.head, repo_id: repo.id, repo: repository },
      updated_at: new Date(1_790_000_000_000 + pull.updated * 1_000).toISOString(),
    };
  }

  #release(repo: GiteaRepo, tag: string): object {
    const { id, draft } = repo.releases.get(tag) ?? { id: 0, draft: false };
    return {
      id,
      tag_name: tag,
      target_commitish: 'main',
      name: tag,
      draft,
      prerelease: false,
      author: user('ada'),
    };
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response
    .writeHead(status, { 'content-type': 'application/json;charset=utf-8', ...headers })
    .end(JSON.stringify(body));
}

function fail(what: Mishap, response: ServerResponse): void {
  if (typeof what === 'number') return send(response, what, { message: 'it went wrong' });
  switch (what) {
    case 'hang':
      return;
    case 'redirect':
      response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end();
      return;
    case 'truncate':
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"name":"main","commit":{"id":"');
      return;
    case 'oversize':
      response.writeHead(200, { 'content-type': 'application/json' }).end(`{"x":"${'x'.repeat(5_000_000)}"}`);
      return;
    case 'not_json':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>sign in</html>');
      return;
    case 'wrong_shape':
      return send(response, 200, { name: 'main', commit: { id: 'not a hash' } });
    case 'break_off':
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{');
      setTimeout(() => response.destroy(), 5);
  }
}
