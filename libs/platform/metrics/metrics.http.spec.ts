import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RouteCatalogue } from '#access';
import { Passwords } from '#auth';
import { Database } from '#database';
import { type Caller, Fault, newId } from '#kernel';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { readExposition, type ReadFamily, valueOf } from '../../../test/kit/exposition.ts';
import { HeldSecrets } from '../../../test/kit/sinks.ts';
import { Metrics } from './metrics.ts';

let product: AppInProcess;
let operator: SignedIn;
let admin: SignedIn;
let key = '';

beforeAll(async () => {
  product = await startApp({ sinkSecrets: new HeldSecrets({}) });
  operator = await product.signIn(owner, 'platform');
  admin = await product.signIn(owner, 'acme');
  ({ key } = await product.apiKey(operator, { name: 'prometheus', permissions: ['metrics:read'] }));
});
afterEach(() => void vi.restoreAllMocks());
afterAll(() => product.close());

const scrapeText = async (): Promise<string> => {
  const answer = await product.get('/metrics', { token: key });
  expectStatus(answer, 200);
  return answer.raw.toString();
};
const scrape = async (): Promise<Map<string, ReadFamily>> => readExposition(await scrapeText()).families;
const number = async (name: string, labels?: Record<string, string>): Promise<number | undefined> =>
  valueOf(await scrape(), name, labels);
const sink = (name: string) => ({
  name,
  kind: 'webhook',
  settings: { url: 'https://siem.example/in', hmacKey: 'secret://siem#hmac' },
});

describe('the metrics', () => {
  it('are for those who may read them, and for nobody else', async () => {
    expectStatus(await product.get('/metrics'), 401);
    expectStatus(await product.get('/metrics', { token: admin.accessToken }), 403, 'access.denied');
    const other = await product.apiKey(operator, { name: 'other', permissions: ['platform:read'] });
    const refused = await product.get('/metrics', { token: other.key });
    expect(expectStatus(refused, 403, 'access.denied').data).toMatchObject({ permission: 'metrics:read' });
    expectStatus(await product.get('/metrics', { token: operator.accessToken }), 200);
    const answer = await product.get('/metrics', { token: key });
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  });

  it('are in the text format, with names and types that a linter takes', async () => {
    const { families, faults } = readExposition(await scrapeText());
    expect(faults).toEqual([]);
    const names = [...families.keys()];
    expect(names.filter((name) => name.startsWith('portcullis_')).length).toBeGreaterThan(20);
    expect(names).toContain('process_cpu_seconds_total');
    expect(names).toContain('nodejs_eventloop_lag_p99_seconds');
  });

  it('whose linter finds what is wrong', () => {
    const faultsOf = (text: string): string[] => readExposition(text).faults;
    const head = '# HELP portcullis_x X\n# TYPE portcullis_x gauge\n';
    expect(faultsOf(`${head}portcullis_x{a="1"} 1\n`)).toEqual([]);
    expect(faultsOf(`${head}portcullis_x{a="1"} 1\nportcullis_x{a="1"} 2\n`)).toHaveLength(1);
    expect(faultsOf(`${head}portcullis_x{a="q"q"} 1\n`)).toHaveLength(1);
    expect(faultsOf(`${head}portcullis_x many\n`)).toHaveLength(1);
    expect(faultsOf(`${head}portcullis_y 1\n`)).toHaveLength(1);
    expect(faultsOf('# HELP portcullis_x X\n# TYPE portcullis_x counter\n')).toHaveLength(1);
    const histogram = '# HELP portcullis_h H\n# TYPE portcullis_h histogram\n';
    const falling = `${histogram}portcullis_h_bucket{le="1"} 3\nportcullis_h_bucket{le="+Inf"} 2\n`;
    expect(faultsOf(`${falling}portcullis_h_sum 1\nportcullis_h_count 2\n`)).toHaveLength(1);
  });

  it('count a request once, under the pattern of its route', async () => {
    const labels = { method: 'GET', route: '/api/v1/orgs/:orgId/roles', status: '2xx' };
    const count = 'portcullis_http_request_duration_seconds_count';
    const [before, sum] = [
      (await number('portcullis_http_requests_total', labels)) ?? 0,
      (await number(count, labels)) ?? 0,
    ];
    const path = `/orgs/${admin.organization.id}/roles`;
    expectStatus(await product.get(path, { token: admin.accessToken }), 200);
    const families = await scrape();
    expect(valueOf(families, 'portcullis_http_requests_total', labels)).toBe(before + 1);
    expect(valueOf(families, count, labels)).toBe(sum + 1);
    expectStatus(await product.get(path), 401);
    expect(await number('portcullis_http_requests_total', { ...labels, status: '4xx' })).toBe(1);
  });

  it('know no route but those there are, whatever is asked for', async () => {
    const asked = 'secret-in-a-path-1f2e3d';
    expectStatus(await product.get(`/${asked}`), 404);
    expectStatus(await product.get(`/orgs/${asked}/roles?x=${asked}`, { token: admin.accessToken }), 400);
    const text = await scrapeText();
    expect(text).not.toContain(asked);
    const known = product.app.get(RouteCatalogue, { strict: false }).routes.map(({ path }) => path);
    const shown = readExposition(text).families.get('portcullis_http_requests_total')!.lines;
    const strange = shown.map(({ labels }) => labels['route']!).filter((route) => !known.includes(route));
    expect([...new Set(strange)]).toEqual(['-']);
  });

  it('count sign-ins by how they end, and refusals by their code', async () => {
    const before = await scrape();
    const wrong = { email: owner.email, password: 'wrong horse battery' };
    expectStatus(await product.post('/auth/login', wrong), 401, 'auth.invalid_credentials');
    await product.signIn(owner, 'acme');
    const after = await scrape();
    const grown = (name: string, labels: Record<string, string>): number =>
      (valueOf(after, name, labels) ?? 0) - (valueOf(before, name, labels) ?? 0);
    expect(grown('portcullis_sign_ins_total', { outcome: 'success' })).toBe(1);
    expect(grown('portcullis_sign_ins_total', { outcome: 'refused' })).toBe(1);
    expect(grown('portcullis_denials_total', { code: 'auth.invalid_credentials' })).toBe(1);
  });

  it('count every refusal of a flood, of which the log keeps ten', async () => {
    const labels = { code: 'auth.credential_missing' };
    const before = (await number('portcullis_denials_total', labels)) ?? 0;
    for (let n = 0; n < 15; n += 1) expectStatus(await product.get('/auth/me'), 401);
    expect(await number('portcullis_denials_total', labels)).toBe(before + 15);
  });

  it('show how far a sink is behind, and nothing of one that is switched off', async () => {
    const path = `/orgs/${admin.organization.id}/audit/sinks`;
    const as = { token: admin.accessToken };
    const { id } = expectStatus(await product.post(path, sink('lagging'), as), 201);
    const off = expectStatus(await product.post(path, { ...sink('off'), enabled: false }, as), 201);
    await product.sql(
      `INSERT INTO portcullis.audit_sink_dead (org_id, sink_id, log_org_id, from_pos, to_pos, code)
       VALUES ($1, $2, $1, 3, 4, 'too_large')`,
      [admin.organization.id, id],
    );
    const families = await scrape();
    const { delivery } = expectStatus(await product.get(`${path}/${id}`, as), 200);
    const labels = { sink: id as string, organization: admin.organization.id };
    expect(delivery.lag).toBeGreaterThan(1);
    expect(valueOf(families, 'portcullis_audit_sink_lag_events', labels)).toBe(delivery.lag);
    expect(valueOf(families, 'portcullis_audit_sink_head_position', labels)).toBe(delivery.headPos);
    expect(valueOf(families, 'portcullis_audit_sink_dead_letters', labels)).toBe(2);
    const position = 'portcullis_audit_sink_position';
    expect(valueOf(families, position, { ...labels, certainty: 'accepted' })).toBe(0);
    expect(valueOf(families, position, { ...labels, certainty: 'indexed' })).toBeUndefined();
    expect(valueOf(families, 'portcullis_audit_sink_lag_events', { sink: off.id })).toBeUndefined();
  });

  it('show what else there is to watch', async () => {
    const orgId = admin.organization.id;
    await product.sql(`INSERT INTO portcullis.event_lanes (org_id, destination) VALUES ($1, 'nats')`, [
      orgId,
    ]);
    await product.sql(
      `UPDATE pgboss.queue SET queued_count = CASE WHEN name LIKE '%.dead' THEN 3 ELSE 7 END
        WHERE name LIKE 'audit%'`,
    );
    const families = await scrape();
    const one = (name: string, labels?: Record<string, string>): number | undefined =>
      valueOf(families, `portcullis_${name}`, labels);
    expect(one('event_destination_lag_events', { destination: 'nats' })).toBeGreaterThan(0);
    expect(one('event_destination_dead_letters', { destination: 'nats' })).toBe(0);
    const queues = families.get('portcullis_jobs_waiting')!.lines.map(({ labels }) => labels['queue']!);
    const audit = queues.find((queue) => queue.startsWith('audit'))!;
    expect(one('jobs_waiting', { queue: audit })).toBe(7);
    expect(one('jobs_failed', { queue: audit })).toBe(3);
    for (const role of ['app', 'system']) {
      expect(one('database_pool_size', { role })).toBeGreaterThan(0);
      expect(one('database_requests_waiting', { role })).toBe(0);
    }
    expect(one('database_connections_idle', { role: 'system' })).toBeGreaterThan(0);
    expect(one('invalidation_lease_age_seconds')).toBeLessThan(60);
    expect([0, 1]).toContain(one('invalidation_lease_fresh'));
    expect(one('system_state', { state: 'operational' })).toBe(1);
  });

  it('show connections at work, and passwords that wait for a thread', async () => {
    const inUse = (families: Map<string, ReadFamily>) =>
      valueOf(families, 'portcullis_database_connections_in_use', { role: 'system' });
    const database = product.app.get(Database, { strict: false });
    const [before, during] = [
      await scrape(),
      await database.acrossOrgs('system_state', async (tx) => {
        await tx.query('SELECT 1');
        return scrape();
      }),
    ];
    expect(inUse(during)).toBe(inUse(before)! + 1);
    const waiting = 'portcullis_password_hashes_waiting';
    expect(valueOf(before, waiting)).toBe(0);
    const passwords = product.app.get(Passwords, { strict: false });
    const hashes = Array.from({ length: 40 }, () => passwords.hash('one of many'));
    expect(await number(waiting)).toBeGreaterThan(0);
    await Promise.all(hashes);
  });

  it('show that the system is read-only, and why', async () => {
    const order = (state: string) =>
      product.post('/platform/system-state', { state, reason: 'r' }, { token: operator.accessToken });
    expectStatus(await order('read-only'), 200);
    const families = await scrape();
    expectStatus(await order('operational'), 200);
    expect(valueOf(families, 'portcullis_system_state', { state: 'read-only' })).toBe(1);
    expect(valueOf(families, 'portcullis_system_state', { state: 'operational' })).toBe(0);
    expect(valueOf(families, 'portcullis_read_only_reason', { code: 'operator' })).toBe(1);
    expect(valueOf(families, 'portcullis_read_only_reason', { code: 'disk_nearly_full' })).toBe(0);
  });

  it('leave out what cannot be read, say so, and answer the rest', async () => {
    await product.sql('ALTER TABLE portcullis.audit_sink_state RENAME TO gone');
    const families = await scrape();
    await product.sql('ALTER TABLE portcullis.gone RENAME TO audit_sink_state');
    expect(valueOf(families, 'portcullis_scrape_error', { part: 'sinks' })).toBe(1);
    expect(families.has('portcullis_audit_sink_lag_events')).toBe(false);
    expect(valueOf(families, 'portcullis_scrape_error', { part: 'jobs' })).toBe(0);
    expect(families.has('portcullis_jobs_waiting')).toBe(true);
    expect(await number('portcullis_scrape_error', { part: 'sinks' })).toBe(0);
  });

  it('answer what this process knows while the database does not', async () => {
    const database = product.app.get(Database, { strict: false });
    const away = new Fault('database.unavailable', 'unavailable', 'The database cannot be reached.');
    vi.spyOn(database, 'acrossOrgsFor').mockRejectedValue(away);
    const families = await scrape();
    const errors = families.get('portcullis_scrape_error')!.lines;
    const failed = errors.filter(({ value }) => value === 1).map(({ labels }) => labels['part']);
    expect(failed).toEqual(['sinks', 'events', 'jobs']);
    expect(errors.length).toBeGreaterThan(failed.length);
    expect(families.has('portcullis_http_requests_total')).toBe(true);
  });

  it('are not answered to whoever the database knows no credential of', async () => {
    const caller = { kind: 'api_key', org: operator.organization, apiKeyId: newId() } as unknown as Caller;
    const read = product.app.get(Metrics, { strict: false }).text(caller);
    await expect(read).rejects.toMatchObject({ code: 'database.credential_ended' });
  });

  it('name no person, no organization by its name, and no credential', async () => {
    const text = await scrapeText();
    expect(text).toContain(admin.organization.id);
    expect(text).not.toContain('@');
    const names = [owner.name, owner.email, admin.organization.slug, key, key.split('_')[2]!, 'siem.example'];
    for (const name of names) expect(text.toLowerCase()).not.toContain(name.toLowerCase());
  });
});
