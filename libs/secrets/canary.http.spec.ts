import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../test/kit/app-in-process.ts';
import { RouteCatalogue } from '#access';
import { canonicalJson } from '#kernel';
import { SecretReferences } from './references.ts';
import { RotationWork } from './schedule/rotation-work.ts';

/** Values that stand nowhere by chance. Each is planted by its own way in. */
const canaries = {
  created: 'canary-created-3f9a7c51d2',
  written: 'canary-written-8be04417aa',
  resolved: 'canary-resolved-60d2f1e9b3',
  searched: 'canary-searched-15c7a9e402',
  misplaced: 'canary-misplaced-99ab31f0c8',
  refused: 'canary-refused-7d20e6b418',
} as const;
/** Is no secret: shows that the search finds what is there. */
const MARK = 'mark-of-a-description-5521';

/** How a value may stand somewhere: as it is, encoded, or as a digest that a guess can be compared with. */
function formsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  const shifted = [0, 1, 2].map((skip) => bytes.subarray(skip).toString('base64').slice(0, -4));
  const digests = (['hex', 'base64', 'base64url'] as const).flatMap((form) =>
    ['sha256', 'sha512', 'sha1', 'md5'].map((name) => createHash(name).update(value).digest(form)),
  );
  return [value, bytes.toString('hex'), [...value].toReversed().join(''), ...shifted, ...digests];
}

const found = (text: string, values: readonly string[]): string[] =>
  values.filter((value) => formsOf(value).some((form) => text.includes(form)));
const planted = Object.values(canaries);

let app: AppInProcess;
let admin: SignedIn;
let other: SignedIn;
const answers: { what: string; answer: Answered }[] = [];
const asked = new Set<string>();
let revealed = '';
/** What the product made itself. */
let generated = '';

beforeAll(async () => {
  app = await startApp();
  admin = await app.signIn(owner, 'acme');
  const person = { email: 'o@other.example', name: 'O', password: 'slow green harbour 4 x' };
  other = await app.addTenant('other', person);
  await exercise();
});
afterAll(() => app.close());

async function send(
  method: string,
  path: string,
  body: unknown,
  { who = admin, headers = {} }: { who?: SignedIn; headers?: Record<string, string> } = {},
): Promise<Answered> {
  const url = `/orgs/${admin.organization.id}/secrets${path}`;
  const answer = await app.ask(method, url, {
    token: who.accessToken,
    headers,
    ...(body !== undefined && { body }),
  });
  asked.add(`${method} ${path.replace(/\?.*/, '').replace(/^\/[0-9a-f-]{36}/, '/:secretId')}`);
  if (path.endsWith('/reveal') && answer.status === 200) revealed += answer.raw.toString();
  else answers.push({ what: `${method} ${path}`, answer });
  return answer;
}

/** Every route, with what it takes and with what it refuses. */
async function exercise(): Promise<void> {
  const once = { headers: { 'idempotency-key': 'canary-run-1' } };
  const first = { path: 'canary/one', fields: { key: canaries.created }, description: MARK };
  const { id } = expectStatus(await send('POST', '', first, once), 201);
  expectStatus(await send('POST', '', first, once), 201);
  const changed = { ...first, fields: { key: canaries.refused } };
  expectStatus(await send('POST', '', changed, once), 409, 'http.idempotency_mismatch');
  expectStatus(await send('POST', '', changed), 409, 'secrets.path_taken');
  expectStatus(
    await send('POST', '', { path: `${canaries.misplaced} /`, fields: { key: canaries.refused } }),
    400,
  );
  expectStatus(await send('POST', '', { path: 'x', fields: { [`${canaries.misplaced} `]: 'v' } }), 400);
  expectStatus(await send('POST', '', { path: 'x', fields: { key: [canaries.refused] } }), 400);
  expectStatus(await send('POST', '', { path: 'x', fields: canaries.refused }), 400);
  expectStatus(await send('POST', '', first, { who: other }), 404);
  const write = { fields: { key: canaries.written }, cas: 1 };
  expectStatus(await send('POST', `/${id}/versions`, write, { headers: { 'idempotency-key': 'w' } }), 201);
  expectStatus(await send('POST', `/${id}/versions`, write), 409, 'secrets.version_conflict');
  expectStatus(await send('POST', `/${id}/versions`, { ...write, cas: canaries.misplaced }), 400);
  expectStatus(await send('PATCH', `/${id}`, { description: `${MARK} changed`, maxVersions: 5 }), 200);
  expectStatus(await send('GET', `/${id}`, undefined), 200);
  expectStatus(await send('GET', '?prefix=canary', undefined), 200);
  const key = { headers: { 'idempotency-key': 'r' } };
  expectStatus(await send('POST', `/${id}/reveal`, { version: 1 }, key), 200);
  expectStatus(await send('POST', `/${id}/reveal`, {}), 200);
  expectStatus(await send('POST', `/${id}/reveal`, { version: 9 }), 404);
  expectStatus(await send('POST', '/search-digest', { value: canaries.created }), 200);
  expectStatus(await send('POST', '/search-digest', { value: canaries.searched }), 200);
  expectStatus(await send('POST', '/search-digest', { value: [canaries.searched] }), 400);
  const rotation = { field: 'key', overlapSeconds: 60 };
  expectStatus(await send('PUT', `/${id}/rotation`, rotation), 200);
  const misplaced = { url: 'https://x.example/', hmacKey: canaries.misplaced };
  expectStatus(await send('PUT', `/${id}/rotation`, { ...rotation, hook: misplaced }), 400);
  expectStatus(await send('PUT', `/${id}/rotation`, { ...rotation, field: `${canaries.misplaced} ` }), 400);
  expectStatus(await send('GET', `/${id}/rotation`, undefined), 200);
  expectStatus(await send('POST', `/${id}/rotate`, undefined), 202);
  // As a worker does it; the value is nobody's until it is revealed.
  const { runs } = expectStatus(await send('GET', `/${id}/rotation`, undefined), 200);
  const job = { orgId: admin.organization.id, runId: runs[0].id as string };
  await app.app.get(RotationWork).run(job, { id: 'job', attempt: 0 });
  const shown = expectStatus(await send('POST', `/${id}/reveal`, {}), 200);
  generated = shown.fields.key;
  expectStatus(await send('DELETE', `/${id}/rotation`, undefined), 204);
  expectStatus(await send('GET', '?format=plain', undefined), 400, 'secrets.plain_refused');
  expectStatus(await send('POST', `/${id}/versions/delete`, { versions: [1] }), 204);
  expectStatus(await send('POST', `/${id}/undelete`, { versions: [1] }), 204);
  expectStatus(await send('POST', `/${id}/destroy`, { versions: [1] }), 204);
  expectStatus(await send('POST', `/${id}/reveal`, { version: 1 }), 404, 'secrets.destroyed');
  expectStatus(await send('DELETE', `/${id}`, undefined), 204);
  expectStatus(await send('POST', `/${id}/undelete`, {}), 204);

  const sink = { path: 'canary/sink', fields: { token: canaries.resolved } };
  const made = expectStatus(await send('POST', '', sink), 201);
  const references = app.app.get(SecretReferences);
  const orgId = admin.organization.id;
  await references.resolve(orgId, 'secret://canary/sink#token', 'sink:canary');
  for (const bad of ['secret://canary/sink#none', `secret://${canaries.misplaced}`, canaries.misplaced])
    await references.resolve(orgId, bad, 'sink:canary').catch((error: unknown) => {
      app.log.push(`${String(error)} ${JSON.stringify(error)}`);
    });
  // As after damage: every way in fails, and none says what it could not open.
  await app.sql(`BEGIN; SET session_replication_role = replica;
    UPDATE portcullis.secret_versions SET ciphertext = set_byte(ciphertext, 13, get_byte(ciphertext, 13) # 1)
     WHERE secret_id = '${made.id}'; COMMIT`);
  expectStatus(await send('POST', `/${made.id}/reveal`, {}), 503, 'secrets.unreadable');
}

/** Empty where the process has ended, or is not ours to read. */
function readProcess(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}

/** Every row of every table there is, of the job queues too. */
async function dump(): Promise<string> {
  const tables = await app.sql(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
      WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  );
  expect(tables.length).toBeGreaterThan(30);
  const parts: string[] = [];
  for (const { name } of tables) {
    const rows = await app.sql(`SELECT t::text AS row FROM ${name as string} t`);
    parts.push(...rows.map(({ row }) => row as string));
  }
  return parts.join('\n');
}

describe('planted values', () => {
  it('went through every route there is', () => {
    const routes = app.app
      .get(RouteCatalogue, { strict: false })
      .routes.filter(({ path }) => path.includes('/secrets'))
      .map(({ method, path }) => `${method} ${path.replace(/.*\/secrets/, '')}`);
    expect(routes.length).toBeGreaterThan(10);
    expect([...asked].sort()).toEqual(expect.arrayContaining(routes.sort()));
  });

  it('are in the answers of reveal, and so would be found elsewhere', async () => {
    expect(found(revealed, planted)).toEqual([canaries.created, canaries.written]);
    expect(found(await dump(), [MARK])).toEqual([MARK]);
    expect(formsOf(MARK).length).toBeGreaterThan(10);
  });

  it('are in no other answer', () => {
    for (const { what, answer } of answers) {
      const text = `${answer.raw.toString()} ${JSON.stringify(answer.headers)}`;
      expect([what, found(text, planted)]).toEqual([what, []]);
    }
  });

  it('are in no line of the log', () => {
    expect(app.log.length).toBeGreaterThan(20);
    expect(found(app.log.join('\n'), planted)).toEqual([]);
  });

  it('are in no row of the database', async () => {
    expect(found(await dump(), planted)).toEqual([]);
  });

  it('are in no record and no format of the export', async () => {
    for (const format of ['native', 'ocsf', 'ecs', 'cef', 'leef', 'cadf']) {
      const path = `/orgs/${admin.organization.id}/audit/export?after=0&limit=1000&format=${format}`;
      const answer = await app.get(path, { token: admin.accessToken });
      const text = answer.raw.toString();
      expect([format, answer.status, found(text, planted)]).toEqual([format, 200, []]);
      expect(text).toContain('secret.revealed');
    }
  });

  it('are on no command line and in no environment of any process, its children among them', () => {
    const shown = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => ['cmdline', 'environ'].map((name) => readProcess(pid, name)));
    expect(shown.filter((text) => text !== '').length).toBeGreaterThan(2);
    expect(found(shown.join('\n'), [...planted, generated])).toEqual([]);
  });

  it('that the product generates are nowhere either', async () => {
    expect(generated).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(found(revealed, [generated])).toEqual([generated]);
    const elsewhere = [
      await dump(),
      app.log.join('\n'),
      ...answers.map(({ answer }) => answer.raw.toString()),
    ];
    expect(found(elsewhere.join('\n'), [generated])).toEqual([]);
  });

  it('cannot be guessed by what tells repeats of a request', async () => {
    const url = `/api/v1/orgs/${admin.organization.id}/secrets`;
    const body = canonicalJson({
      path: 'canary/one',
      fields: { key: canaries.created },
      description: MARK,
    });
    const plain = createHash('sha256').update(`POST ${url}\n${body}`).digest('base64url');
    const rows = await app.sql('SELECT fingerprint FROM portcullis.idempotency_keys');
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.map(({ fingerprint }) => fingerprint as string)).not.toContain(plain);
  });

  it('are in no metric', async () => {
    const operator = await app.signIn(owner, 'platform');
    const text = (await app.get('/metrics', { token: operator.accessToken })).raw.toString();
    expect(text).toContain('route="/api/v1/orgs/:orgId/secrets"');
    expect(found(text, [...planted, generated])).toEqual([]);
  });

  it('are in no document of the API', async () => {
    const { secrets } = { secrets: JSON.stringify((await app.get('/openapi.json')).body) };
    expect(found(secrets, planted)).toEqual([]);
    const schema = (await app.get('/openapi.json')).body.components.schemas;
    for (const name of ['CreateSecretRequest', 'RevealedSecretView', 'SearchValueRequest'])
      expect(JSON.stringify(schema[name])).not.toContain('example');
  });
});
