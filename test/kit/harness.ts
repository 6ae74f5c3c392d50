import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import jsonwebtoken from 'jsonwebtoken';
import { inject } from 'vitest';
import { type BuiltInRole, type Permission, type Route, RouteCatalogue } from '#access';
import { Audit } from '#audit';
import { ApiKeySecrets, SigningKeys } from '#auth';
import { Database, type SystemTx } from '#database';
import { AppLogger, createHttpApp } from '#http';
import { Jobs } from '#jobs';
import { type Clock, newId } from '#kernel';
import { Orgs } from '#orgs';
import { Setup, SystemState } from '#platform';
import { MasterKey } from '#secrets';
import { AppModule } from '../../apps/api/app.module.ts';
import { cloneDatabase, run, type TestDatabase } from './database.ts';

/** The shape of a body is what tests are about. */
// oxlint-disable-next-line typescript/no-explicit-any
type Body = any;

export interface Org {
  readonly id: string;
  readonly slug: string;
}

/** Somebody with a membership and a session in one organization. */
export interface Person {
  readonly org: Org;
  readonly userId: string;
  readonly sessionId: string;
  readonly email: string;
}

export interface Call {
  /** An access token or an API key. */
  token?: string | undefined;
  body?: unknown;
  /** The address it comes from. */
  ip?: string;
  headers?: Record<string, string>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
  /** Parsed where it is JSON. */
  readonly body: Body;
}

export interface HarnessOptions {
  clock?: Clock;
  /** Connections per database role. */
  poolSize?: number;
  /** Routes of a test's own beside the product's. */
  controllers?: Type[];
}

export const OWNER = { email: 'owner@acme.example', password: 'correct horse battery', name: 'Olive Owner' };

/** The product in this process, without a socket: the real module graph on a database of its own, set up. */
export class Harness {
  platform: Org;
  tenant: Org;
  #people = 0;

  private constructor(
    readonly app: NestFastifyApplication,
    readonly database: TestDatabase,
    /** Every method and path the web server knows. */
    readonly served: readonly { method: string; path: string }[],
    /** Every line of the log so far. */
    readonly lines: readonly string[],
  ) {}

  static async start({ clock, poolSize = 4, controllers = [] }: HarnessOptions = {}): Promise<Harness> {
    const database = await cloneDatabase();
    const lines: string[] = [];
    const parts = {
      database: { urls: database.urls, poolSize },
      masterKey: new MasterKey(randomBytes(32)),
      publicUrl: 'https://portcullis.example',
      issuer: undefined,
      ...(clock && { clock }),
    };
    class WithControllers {}
    const app = await createHttpApp(
      { module: WithControllers, imports: [AppModule.with(parts)], controllers } as { module: Type },
      { logger: new AppLogger({ write: (line) => lines.push(line) }) },
    );
    const served: { method: string; path: string }[] = [];
    const server = app.getHttpAdapter().getInstance();
    server.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) served.push({ method: one, path: url });
    });
    const harness = new Harness(app, database, served, lines);
    try {
      await app.get(SystemState).open();
      await app.init();
      await app.get(Jobs).start({ works: false, report: (failure) => lines.push(String(failure)) });
      await server.ready();
      await harness.#setUp();
      return harness;
    } catch (error) {
      await harness.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.database.drop();
  }

  get routes(): readonly Route[] {
    return this.app.get(RouteCatalogue, { strict: false }).routes;
  }

  async call(method: string, path: string, { token, body, ip, headers }: Call = {}): Promise<Answer> {
    const response = await this.app.inject({
      method: method as 'GET',
      // A stream would go on for minutes.
      url: path.replace(/\/stream\??$/, '/stream?seconds=1'),
      headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      ...(body !== undefined && { payload: body as object }),
      ...(ip !== undefined && { remoteAddress: ip }),
    });
    const json = /^application\/(problem\+)?json/.test(String(response.headers['content-type']));
    return {
      status: response.statusCode,
      headers: response.headers as Record<string, string>,
      text: response.payload,
      body: json && response.payload !== '' ? (JSON.parse(response.payload) as unknown) : undefined,
    };
  }

  /** Another tenant, empty but for its built-in roles. */
  async org(): Promise<Org> {
    const slug = `org-${newId()}`;
    return this.app.get(Database).acrossOrgs('manage_tenants', async (tx) => {
      const { org } = await this.app
        .get(Orgs, { strict: false })
        .open(tx, { slug, name: slug, kind: 'tenant' });
      await this.#record(tx, org);
      return { id: org.id, slug };
    });
  }

  /** A new person with a live session in `org`: with a built-in role, or a custom one of these permissions. */
  async person(org: Org, holds: BuiltInRole | readonly Permission[]): Promise<Person> {
    const [userId, sessionId, roleId] = [newId(), newId(), newId()];
    const email = `person-${++this.#people}@${org.slug}.example`;
    await this.change(org, async (tx) => {
      if (typeof holds !== 'string') {
        const role = 'INSERT INTO roles (org_id, id, name, permissions) VALUES ($1, $2, $3, $4)';
        await tx.query(role, [org.id, roleId, roleId, holds]);
      }
      await tx.query('INSERT INTO users (id, email, name) VALUES ($1, $2, $3)', [userId, email, email]);
      await tx.query(
        `INSERT INTO memberships (org_id, user_id, role_id)
         SELECT $1, $2, id FROM roles WHERE org_id = $1 AND name = $3`,
        [org.id, userId, typeof holds === 'string' ? holds : roleId],
      );
      await tx.query(
        `INSERT INTO sessions (org_id, id, user_id, expires_at, idle_seconds, auth_methods, assurance, password_at)
         VALUES ($1, $2, $3, now() + interval '1 hour', 3600, '{pwd}', 'aal1', now())`,
        [org.id, sessionId, userId],
      );
      const activity =
        'INSERT INTO session_activity (org_id, session_id, last_seen_at) VALUES ($1, $2, now())';
      await tx.query(activity, [org.id, sessionId]);
    });
    return { org, userId, sessionId, email };
  }

  /** An access token of the person's session, signed as the product signs. */
  async token(person: Person, { expired = false } = {}): Promise<string> {
    const { kid, privateKey } = await this.#keys.current();
    return this.#sign(person, kid, privateKey, expired);
  }

  /** The same claims under the right key id, signed by a key that is not ours. */
  async foreignToken(person: Person): Promise<string> {
    const { kid } = await this.#keys.current();
    return this.#sign(person, kid, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, false);
  }

  /** An API key of the person with these permissions. */
  async apiKey(owner: Person, permissions: readonly string[]): Promise<{ id: string; key: string }> {
    const id = newId();
    const { key, digest, pepperId } = await this.app.get(ApiKeySecrets, { strict: false }).make(id);
    const { org, userId } = owner;
    await this.change(org, (tx) =>
      tx.query(
        `INSERT INTO api_keys (org_id, id, name, owner_id, digest, pepper_id, permissions)
         VALUES ($1, $2, 'key', $3, $4, $5, $6)`,
        [org.id, id, userId, digest, pepperId, permissions],
      ),
    );
    return { id, key };
  }

  async revokeSession({ org, sessionId }: Person): Promise<void> {
    await this.change(org, (tx) =>
      tx.query(`UPDATE sessions SET revoked_at = now(), revoked_reason = 'test' WHERE id = $1`, [sessionId]),
    );
  }

  async revokeKey({ org }: Person, id: string): Promise<void> {
    await this.change(org, (tx) =>
      tx.query(`UPDATE api_keys SET revoked_at = now(), revoked_reason = 'test' WHERE id = $1`, [id]),
    );
  }

  async suspend(org: Org): Promise<void> {
    await this.change(org, (tx) =>
      tx.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [org.id]),
    );
  }

  /** A change behind the API's back, with its record, as the database asks. Settled when it answers. */
  async change(org: Org, work: (tx: SystemTx) => Promise<unknown>): Promise<void> {
    await this.app.get(Database).acrossOrgs('manage_tenants', async (tx) => {
      await this.#record(tx, org);
      await work(tx);
    });
  }

  /** Runs SQL as the superuser, who sees everything. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    return run(this.database.adminUrl, text, values);
  }

  get #keys(): SigningKeys {
    return this.app.get(SigningKeys, { strict: false });
  }

  #sign({ org, userId, sessionId }: Person, kid: string, key: KeyObject, expired: boolean): string {
    const now = Math.floor(Date.now() / 1000) - (expired ? 3_600 : 0);
    const claims = { iss: this.#keys.issuer, aud: 'portcullis', sub: userId, sid: sessionId, org: org.id };
    return jsonwebtoken.sign(
      { ...claims, jti: newId(), iat: now, exp: now + 300, auth_time: now, amr: ['pwd'], acr: 'aal1' },
      key,
      { algorithm: 'ES256', header: { alg: 'ES256', typ: 'at+jwt', kid } },
    );
  }

  async #record(tx: SystemTx, org: Org): Promise<void> {
    await this.app.get(Audit).record(tx, {
      orgId: org.id,
      actor: { type: 'system', id: 'test' },
      action: 'org.updated',
      target: { type: 'organization', id: org.id },
      outcome: 'success',
      request: { id: 'test', method: '-', route: '-' },
    });
  }

  async #setUp(): Promise<void> {
    const token = await this.app.get(Setup, { strict: false }).offer(join(inject('runDirectory'), newId()));
    const body = { token, organization: { name: 'Acme', slug: 'acme' }, owner: OWNER };
    const { status, text } = await this.call('POST', '/api/v1/setup', { body });
    if (status !== 201) throw new Error(`the set-up answered ${status}: ${text}`);
    const orgs = (await this.sql(
      'SELECT id, slug, kind FROM portcullis.organizations',
    )) as unknown as (Org & {
      kind: string;
    })[];
    const [platform, tenant] = ['platform', 'tenant'].map((kind) => orgs.find((org) => org.kind === kind));
    if (!platform || !tenant) throw new Error('the set-up made no organizations');
    this.platform = platform;
    this.tenant = tenant;
  }
}
