import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from './app-in-process.ts';
import type { GiteaRepo } from './gitea-repo.ts';
import { type Delivery, GiteaServer } from './gitea-server.ts';
import { RolloutRecorder } from './rollout-recorder.ts';

export const SECRET = 'a secret of at least thirty-two bytes 1';
export const NEXT_SECRET = 'a secret of at least thirty-two bytes 2';

/** A line of a hook's list of deliveries. */
export interface Line {
  id: string;
  source: string;
  event: string;
  verdict: string;
  state: string;
  code?: string;
  refusals?: number;
  delivery?: string;
  bodySha256?: string;
  prompted: { kind: string; ref?: string; commit: string; what: string }[];
}

/** The product with a Gitea beside it, a repository in that, and secrets for both in the store. */
export class GiteaIntake {
  admin: SignedIn;
  repo: GiteaRepo;

  private constructor(
    readonly app: AppInProcess,
    readonly gitea: GiteaServer,
    readonly rollouts: RolloutRecorder,
  ) {}

  static start(worker = true): Promise<GiteaIntake> {
    const recorder = new RolloutRecorder();
    return GiteaIntake.#start(recorder, { worker, rolloutPrompts: recorder });
  }

  /** With the rollouts of the product, which the recorder hears nothing of. */
  static startWhole(): Promise<GiteaIntake> {
    return GiteaIntake.#start(new RolloutRecorder(), { worker: true });
  }

  static async #start(
    rollouts: RolloutRecorder,
    options: { worker: boolean; rolloutPrompts?: RolloutRecorder },
  ): Promise<GiteaIntake> {
    const gitea = await GiteaServer.start();
    const app = await startApp({ ...options, egressAllow: ['127.0.0.0/8'] });
    const made = new GiteaIntake(app, gitea, rollouts);
    made.repo = gitea.repo('Ada/Ledger');
    made.repo.push('main');
    made.admin = await app.signIn(owner, 'acme');
    await made.keepSecrets(made.admin);
    return made;
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.gitea.stop();
  }

  async keepSecrets({ organization, accessToken: token }: SignedIn): Promise<void> {
    const fields = { token: this.gitea.token, secret: SECRET, next: NEXT_SECRET, short: 'too short' };
    expectStatus(
      await this.app.post(`/orgs/${organization.id}/secrets`, { path: 'gitea', fields }, { token }),
      201,
    );
  }

  get base(): string {
    return `/orgs/${this.admin.organization.id}/integrations/gitea`;
  }

  get as(): { token: string } {
    return { token: this.admin.accessToken };
  }

  request(more: object = {}): object {
    return {
      name: `hook ${randomUUID()}`,
      baseUrl: this.gitea.url,
      token: 'secret://gitea#token',
      secrets: ['secret://gitea#secret'],
      repositories: ['ada/ledger'],
      opens: ['push', 'tag', 'release', 'pull_request'],
      tags: ['v*'],
      ...more,
    };
  }

  /** A hook whose repositories have been read for the first time, where jobs are worked off. */
  async hook(more: object = {}, as: { token: string } = this.as): Promise<string> {
    const { id } = expectStatus(await this.app.post(this.base, this.request(more), as), 201) as {
      id: string;
    };
    return id;
  }

  async baselined(more: object = {}, as: { token: string } = this.as): Promise<string> {
    const id = await this.hook(more, as);
    await until(async () => {
      const rows = await this.app.sql(
        `SELECT count(*)::int AS n FROM portcullis.gitea_repositories WHERE hook_id = $1 AND baselined_at IS NOT NULL`,
        [id],
      );
      return rows[0]?.['n'] > 0;
    });
    return id;
  }

  send(hookId: string | undefined, { headers, body }: Delivery, ip?: string): Promise<Answered> {
    return sendRaw(this.app, hookId, headers, body, ip);
  }

  /** Sends it, and waits for what came of it. */
  async deliver(hookId: string, type: string, payload: object): Promise<Line> {
    const { id } = expectStatus(await this.send(hookId, GiteaServer.deliver(type, payload, SECRET)), 202) as {
      id: string;
    };
    return this.ended(hookId, id);
  }

  async lines(hookId: string): Promise<Line[]> {
    const page = expectStatus(
      await this.app.get(`${this.base}/${hookId}/deliveries?limit=100`, this.as),
      200,
    );
    return (page as { items: Line[] }).items;
  }

  ended(hookId: string, id: string): Promise<Line> {
    return until(async () => {
      const line = (await this.lines(hookId)).find((one) => one.id === id);
      return line?.state === 'queued' ? undefined : line;
    });
  }

  /** Has everything read, and waits for it. */
  async reconcile(hookId: string): Promise<Line> {
    const path = `${this.base}/${hookId}/reconcile`;
    const { delivery } = expectStatus(await this.app.ask('POST', path, this.as), 202) as { delivery: string };
    return this.ended(hookId, delivery);
  }

  /** A push that no other delivery tells of, as its sender signs it. */
  signed(secret: string | undefined = SECRET): Delivery {
    return GiteaServer.deliver('push', this.pushed(), secret);
  }

  pushed(): object {
    return this.gitea.pushed(this.repo, 'refs/heads/main', '0'.repeat(40), freshHash());
  }

  /** The record of a request, in whatever log. */
  async recordOf(
    answer: Answered,
  ): Promise<{ action: string; reason: string; outcome: string; org: string }> {
    const [row] = await this.app.sql(
      `SELECT leaf FROM portcullis.audit_events
        WHERE leaf::jsonb -> 'request' ->> 'id' = $1 AND action <> 'secret.resolved'`,
      [answer.headers['x-request-id']],
    );
    return JSON.parse(String(row?.['leaf'])) as never;
  }

  /** Jobs that wait or are under way. */
  async queued(): Promise<number> {
    const [row] = await this.app.sql(
      `SELECT count(*)::int AS n FROM pgboss.job WHERE name IN ('gitea_reread') AND state IN ('created', 'active', 'retry')`,
    );
    return Number(row?.['n']);
  }
}

/** What one test has to itself: a repository and a hook that is for it. */
class OwnHook {
  intake: GiteaIntake;
  gitea: GiteaServer;
  repo: GiteaRepo;
  hook: string;

  /** The prompts since it was asked last. */
  told = (): string[] => this.intake.rollouts.take();
}

/** One product for the file; a repository, and a hook that has read it, for each test. */
export function ownHookPerTest(): OwnHook {
  const own = new OwnHook();
  beforeAll(async () => {
    own.intake = await GiteaIntake.start();
    own.gitea = own.intake.gitea;
  });
  afterAll(() => own.intake.stop());
  beforeEach(async () => {
    const nth = own.gitea.repos.size;
    own.repo = own.gitea.repo(`ada/ledger-${nth}`, 1_000 + nth);
    own.repo.push('main');
    own.hook = await own.intake.baselined({ repositories: [own.repo.fullName] });
    own.intake.rollouts.commits = [];
    own.told();
  });
  afterEach(async () => {
    own.gitea.mishap = undefined;
    own.gitea.meanwhile = undefined;
    expect(own.gitea.strange).toEqual([]);
    const path = `${own.intake.base}/${own.hook}`;
    expectStatus(await own.intake.app.ask('DELETE', path, own.intake.as), 204);
  });
  return own;
}

let made = 0;
/** An address that no other call has, so that no refusal is coalesced with another or meets a limit. */
export const address = (): string => `10.7.${((made += 1) >> 8) & 255}.${made & 255}`;
/** The hash of a commit that no other delivery has. */
export const freshHash = (): string => (made += 1).toString(16).padStart(40, 'a');

/** The delivery with other headers; without those that are undefined. */
export function changed({ headers, body }: Delivery, more: Record<string, string | undefined>): Delivery {
  const all = Object.entries({ ...headers, ...more });
  return {
    body,
    headers: Object.fromEntries(all.filter((one): one is [string, string] => one[1] !== undefined)),
  };
}

/** Bytes as they are, whatever they are. */
export async function sendRaw(
  { app }: AppInProcess,
  hookId: string | undefined,
  headers: Record<string, string>,
  body: string | Buffer,
  ip?: string,
): Promise<Answered> {
  const answer = await app.inject({
    method: 'POST',
    url: `/api/v1/integrations/gitea/webhook${hookId === undefined ? '' : `/${hookId}`}`,
    headers,
    payload: body,
    ...(ip !== undefined && { remoteAddress: ip }),
  });
  const json = /^application\/(problem\+)?json\b/.test(String(answer.headers['content-type']));
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: json ? answer.json<unknown>() : answer.body,
    raw: answer.rawPayload,
  };
}
