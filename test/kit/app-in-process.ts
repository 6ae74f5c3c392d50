import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Database, InvalidationStream } from '#database';
import { undeclaredFields } from '#audit';
import { AppLogger, createHttpApp } from '#http';
import { Jobs } from '#jobs';
import { Clock } from '#kernel';
import { MailConfig } from '#mail';
import { Setup, SystemState } from '#platform';
import { MasterKey } from '#secrets';
import { AppModule, type AppParts } from '../../apps/api/app.module.ts';
import { cloneDatabase, run, type TestDatabase } from './database.ts';

export { until } from './until.ts';

/** A clock that runs as the system's does, and that a spec can set forward or back, or hold. */
export class MovableClock extends Clock {
  #ahead = 0;
  #held: { readonly now: number; readonly monotonic: number } | undefined;

  override now(): Date {
    return new Date((this.#held?.now ?? Date.now()) + this.#ahead);
  }

  override monotonic(): number {
    return (this.#held?.monotonic ?? performance.now()) + Math.max(0, this.#ahead);
  }

  advance(ms: number): void {
    this.#ahead += ms;
  }

  /** Stands still from now on, but for `advance`: what a spec does meanwhile takes no time. */
  hold(): void {
    this.#held = { now: Date.now(), monotonic: performance.now() };
  }

  reset(): void {
    this.#ahead = 0;
    this.#held = undefined;
  }
}

/** The shape of a body is what specs are about. */
// oxlint-disable-next-line typescript/no-explicit-any
type Body = any;

export interface Answered {
  status: number;
  headers: Record<string, string | string[] | number | undefined>;
  body: Body;
  /** The bytes of the body, whatever they are. */
  raw: Buffer;
}

export interface Ask {
  token?: string | undefined;
  headers?: Record<string, string>;
  body?: unknown;
  ip?: string;
}

export interface SignedIn {
  /** Only where the device was not known. */
  deviceToken?: string;
  accessToken: string;
  refreshToken: string;
  expiresIn: number;
  session: { id: string; organizationId: string };
  user: { id: string; email: string; name: string };
  organization: { id: string; slug: string; kind: string };
}

export const owner = {
  email: 'olga@acme.example',
  name: 'Olga Öwner',
  password: 'correct horse battery staple 1',
};

/** A master key that no file holds. */
export const newMasterKey = (): MasterKey => new MasterKey(randomBytes(32));

/** Whom the product's mail comes from. */
export const mailFrom = { name: 'Portcullis', address: 'noreply@portcullis.example' };

/** The whole product in this process, on a database of its own, without a socket. */
export class AppInProcess {
  constructor(
    readonly app: NestFastifyApplication,
    readonly database: TestDatabase,
    readonly clock: MovableClock,
    /** Log lines, as they were written. */
    readonly log: string[],
    private readonly folder: string,
  ) {}

  /** `path` is below /api/v1, unless it begins with a dot or is a route of health or metrics. */
  async ask(method: string, path: string, { token, headers = {}, body, ip }: Ask = {}): Promise<Answered> {
    const answer = await this.app.inject({
      method: method as 'GET',
      url: /^\/(\.well-known|health|metrics)/.test(path) ? path : `/api/v1${path}`,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
      ...(ip === undefined ? {} : { remoteAddress: ip }),
    });
    const type = answer.headers['content-type'] ?? '';
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: /^application\/(problem\+)?json\b/.test(type) ? answer.json<unknown>() : answer.body,
      raw: answer.rawPayload,
    };
  }

  get(path: string, ask?: Ask): Promise<Answered> {
    return this.ask('GET', path, ask);
  }

  post(path: string, body: unknown, ask?: Ask): Promise<Answered> {
    return this.ask('POST', path, { ...ask, body });
  }

  delete(path: string, ask?: Ask): Promise<Answered> {
    return this.ask('DELETE', path, ask);
  }

  async signIn(
    { email, password }: { email: string; password: string },
    organization?: string,
    ask?: Ask,
  ): Promise<SignedIn> {
    const body = { email, password, ...(organization === undefined ? {} : { organization }) };
    return expectStatus(await this.post('/auth/login', body, ask), 200) as SignedIn;
  }

  /** A new tenant whose owner is a new person with this password. */
  async addTenant(
    slug: string,
    person: { email: string; name: string; password: string },
  ): Promise<SignedIn> {
    const platform = await this.signIn(owner, 'platform');
    const request = { name: slug, slug, owner: { email: person.email } };
    const created = expectStatus(await this.post('/orgs', request, { token: platform.accessToken }), 201);
    const { name, password } = person;
    const accepted = { token: created.invitation.token, name, password };
    expectStatus(await this.post('/auth/invitations/accept', accepted), 201);
    return this.signIn(person, slug);
  }

  /** A member made by invitation, so that the password lasts. */
  async addMember(
    admin: SignedIn,
    person: { email: string; name: string; password: string },
    role: string,
  ): Promise<string> {
    const orgId = admin.organization.id;
    const { token } = expectStatus(
      await this.post(
        `/orgs/${orgId}/invitations`,
        { email: person.email, role },
        { token: admin.accessToken },
      ),
      201,
    );
    const { name, password } = person;
    return expectStatus(await this.post('/auth/invitations/accept', { token, name, password }), 201).user.id;
  }

  async apiKey(admin: SignedIn, request: Record<string, unknown>): Promise<{ id: string; key: string }> {
    const path = `/orgs/${admin.organization.id}/api-keys`;
    return expectStatus(
      await this.post(path, { name: 'a key', ...request }, { token: admin.accessToken }),
      201,
    );
  }

  /** SQL as the superuser: for looking behind the product's back. */
  sql(text: string, values?: unknown[]): Promise<Record<string, Body>[]> {
    return run(this.database.adminUrl, text, values);
  }

  /**
   * SQL as the owner of the schema, whom the guard of audited changes does not bind. Like a change of the product's
   * own it answers when the caches know of it.
   */
  async change(text: string, values?: unknown[]): Promise<Record<string, Body>[]> {
    const rows = await run(this.database.urls.owner, text, values);
    const [head] = await this.sql('SELECT coalesce(max(pos), 0) AS pos FROM portcullis.invalidations');
    await this.app.get(InvalidationStream, { strict: false }).settled(BigInt(head?.['pos']));
    return rows;
  }

  /** As if every window had ended: nobody has tried anything. */
  async forgetAttempts(): Promise<void> {
    await this.sql('TRUNCATE portcullis.attempt_counters');
  }

  /** The records of an organization in order of position, as the export would hash them. */
  async records(orgId: string, action?: string): Promise<Body[]> {
    const rows = await this.sql(
      `SELECT e.leaf, e.personal FROM portcullis.audit_positions p
         JOIN portcullis.audit_events e ON e.org_id = p.org_id AND e.id = p.event_id
        WHERE p.org_id = $1 ORDER BY p.pos`,
      [orgId],
    );
    return rows
      .map(({ leaf, personal }) => ({ ...JSON.parse(leaf), personal: JSON.parse(personal), leaf }))
      .filter((record) => action === undefined || record.action === action);
  }

  /** What every process does first, with a master key of its own. */
  async openWith(masterKey: MasterKey): Promise<void> {
    const stream = this.app.get(InvalidationStream, { strict: false });
    await new SystemState(this.app.get(Database), masterKey, this.clock, stream).open();
  }

  /** Fails where a record was written that the catalogue of actions does not describe. */
  async close(): Promise<void> {
    await this.app.close();
    const rows = await this.sql(
      `SELECT DISTINCT e.action, jsonb_object_keys(e.leaf::jsonb -> 'changes') AS field
         FROM portcullis.audit_events e WHERE e.leaf::jsonb ? 'changes'`,
    );
    const undeclared = rows.flatMap(({ action, field }) => {
      return undeclaredFields(String(action), { [String(field)]: true }).map((name) => `${action}: ${name}`);
    });
    if (undeclared.length > 0) throw new Error(`not in action-data.ts: ${undeclared.join(', ')}`);
    await this.database.drop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export interface AppOptions extends Partial<AppParts> {
  /** The URL of a mail server (mail-server.ts); without one no mail leaves. */
  smtp?: string;
  /** Whether jobs are worked off in this process; where mail leaves they are, unless said otherwise. */
  worker?: boolean;
}

/** Starts the product and sets it up: the organizations `platform` and `acme`, both of `owner`. */
export async function startApp({
  publicUrl = 'http://127.0.0.1:8080',
  smtp,
  worker = smtp !== undefined,
  ...parts
}: AppOptions = {}): Promise<AppInProcess> {
  const database = await cloneDatabase();
  const clock = new MovableClock();
  const log: string[] = [];
  const app = await createHttpApp(
    AppModule.with({
      database: { urls: database.urls, poolSize: 8 },
      masterKey: newMasterKey(),
      publicUrl,
      issuer: undefined,
      mail: smtp === undefined ? undefined : new MailConfig(smtp, mailFrom),
      ...parts,
      clock,
    }),
    { logger: new AppLogger({ write: (line) => log.push(line) }, 'info') },
  );
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-app-'));
  const started = new AppInProcess(app, database, clock, log, folder);
  await app.get(SystemState).open();
  await app.init();
  await app.get(Jobs).start({ works: worker, report: (failure) => log.push(`${String(failure)}\n`) });
  await app.getHttpAdapter().getInstance().ready();
  const token = await app.get(Setup).offer(join(folder, 'setup-token'));
  const organization = { name: 'Acme', slug: 'acme' };
  expectStatus(await started.post('/setup', { token, organization, owner }), 201);
  return started;
}

/** The body of an answer that has this status; otherwise an error that shows it. */
export function expectStatus(answer: Answered, status: number, code?: string): Body {
  const found: unknown = answer.body?.code;
  if (answer.status !== status || (code !== undefined && found !== code)) {
    throw new Error(
      `expected ${status} ${code ?? ''}, got ${answer.status}: ${JSON.stringify(answer.body).slice(0, 2000)}`,
    );
  }
  return answer.body;
}
