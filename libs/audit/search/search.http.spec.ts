import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AppInProcess,
  type Answered,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { tamper } from '../../../test/kit/long-log.ts';
import { csvField } from './csv.ts';

let product: AppInProcess;
let admin: SignedIn;
let orgId = '';

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  orgId = admin.organization.id;
});
afterAll(() => product.close());

const search = (query = '', of = admin): Promise<Answered> =>
  product.get(`/orgs/${of.organization.id}/audit/events${query}`, { token: of.accessToken });
const found = async (query: string, of = admin) => expectStatus(await search(query, of), 200).items;

/** A log of `count` events by 1,000 actors, one of a hundred of them denied, a second apart. */
const fill = (org: string, count: number): Promise<void> =>
  tamper(
    product.database.adminUrl,
    `WITH head AS (SELECT max(pos) AS pos FROM audit_positions WHERE org_id = '${org}'),
     made AS MATERIALIZED (
       SELECT n, gen_random_uuid() AS id, 'actor-' || n % 1000 AS actor,
              CASE WHEN n % 100 = 0 THEN 'denied' ELSE 'success' END AS outcome,
              CASE WHEN n % 7 = 0 THEN 'org.updated' ELSE 'member.added' END AS action,
              timestamptz '2020-01-01T00:00:00Z' + n * interval '1 second' AS time FROM generate_series(1, ${count}) n),
     events AS (
       INSERT INTO audit_events (org_id, id, leaf, personal, leaf_hash, time, action, outcome,
                                 actor_type, actor_id, target_type, target_id, xid, tx_time)
       SELECT '${org}', id, '{"action":"' || action || '","actor":{"id":"' || actor || '","type":"user"},"commitments":{},"id":"'
         || id || '","org":"${org}","outcome":"' || outcome || '","request":{"id":"request-' || n
         || '","method":"PATCH","route":"/"},"target":{"id":"target-' || n % 5000 || '","type":"user"},"time":"'
         || to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '","v":1}', '{}', '', time,
              action, outcome, 'user', actor, 'user', 'target-' || n % 5000, pg_current_xact_id(), now() FROM made)
     INSERT INTO audit_positions (org_id, pos, event_id, leaf_hash, prev_hash)
     SELECT '${org}', head.pos + n, id, '', '' FROM made, head`,
  );

describe('a search', () => {
  it('finds by actor, action, target, outcome, time and request, alone and together', async () => {
    const renamed = { token: admin.accessToken, body: { name: 'Acme & Sons' } };
    const answer = await product.ask('PATCH', `/orgs/${orgId}`, renamed);
    expectStatus(answer, 200);
    const request = String(answer.headers['x-request-id']);
    const [one, ...others] = await found(`?requestId=${request}`);
    expect(others).toEqual([]);
    expect(one).toMatchObject({ action: 'org.updated', request: { id: request } });
    const all = await found('?limit=100');
    const matches: [string, (event: { [name: string]: any }) => boolean][] = [
      ['action=org.updated', ({ action }) => action === 'org.updated'],
      [`actorId=${admin.user.id}`, ({ actor }) => actor['id'] === admin.user.id],
      [`targetId=${orgId}`, ({ target }) => target['id'] === orgId],
      ['outcome=success', ({ outcome }) => outcome === 'success'],
      ['outcome=denied', ({ outcome }) => outcome === 'denied'],
      [`from=${one.time}`, ({ time }) => time >= one.time],
      [`to=${one.time}`, ({ time }) => time < one.time],
    ];
    for (const [query, holds] of matches)
      expect(await found(`?limit=100&${query}`), query).toEqual(all.filter(holds));
    const both = matches.slice(0, 4);
    expect(await found(`?${both.map(([query]) => query).join('&')}`)).toEqual(
      all.filter((event: object) => both.every(([, holds]) => holds(event))),
    );
    expect(await found('?actorId=nobody')).toEqual([]);
  });

  it('is for those who may read, and is recorded', async () => {
    const key = await product.apiKey(admin, { permissions: ['audit:export'] });
    const path = `/orgs/${orgId}/audit/events`;
    expectStatus(await product.get(path, { token: key.key }), 403, 'access.denied');
    const read = await product.records(orgId, 'audit.read');
    expect(read.map(({ actor }) => actor.id)).toContain(admin.user.id);
  });
});

describe('a search in a long log', () => {
  let long: SignedIn;
  const COUNT = 60_000;

  beforeAll(async () => {
    long = await product.addTenant('long', { ...owner, email: 'long@owner.example' });
    await fill(long.organization.id, COUNT);
  });

  it('says how far it is while it is still being made, and then answers', async () => {
    const first = await search('?actorId=actor-7', long);
    const { data } = expectStatus(first, 503, 'audit.search_behind');
    expect(data.treeSize).toBeGreaterThan(COUNT);
    expect(data.indexedUpTo).toBeLessThan(data.treeSize);
    expect(first.headers['retry-after']).toBe('2');
    const items = await until(async () => {
      const answer = await search('?actorId=actor-7&limit=100', long);
      return answer.status === 200 && answer.body.items;
    });
    expect(items).toHaveLength(COUNT / 1000);
    expect(items[0].pos).toBeGreaterThan(items[1].pos);
  });

  it('pages through all that is found, without a seam', async () => {
    const seen: number[] = [];
    for (let cursor = ''; ;) {
      const page = expectStatus(await search(`?outcome=denied&limit=97${cursor}`, long), 200);
      seen.push(...page.items.map(({ pos }: { pos: number }) => pos));
      if (page.next === undefined) break;
      cursor = `&cursor=${page.next}`;
    }
    expect(seen).toHaveLength(COUNT / 100);
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => b - a));
  });

  it('finds what came after the index was made, and the index in any case', async () => {
    const before = await found('?action=org.updated&limit=1', long);
    const body = { name: 'Longer' };
    const path = `/orgs/${long.organization.id}`;
    expectStatus(await product.ask('PATCH', path, { token: long.accessToken, body }), 200);
    const [newest, next] = await found('?action=org.updated&limit=2', long);
    expect(newest.actor.id).toBe(long.user.id);
    expect(next.pos).toBe(before[0].pos);
  });

  it('reads no more of the log than it shows, whatever the filter', async () => {
    await product.sql('ANALYZE portcullis.audit_search, portcullis.audit_events, portcullis.audit_positions');
    const filters = [
      'actorId=actor-7',
      'action=member.added',
      'targetId=target-77',
      'outcome=denied',
      'requestId=request-30000',
      'from=2020-01-01T01:00:00Z&to=2020-01-01T02:00:00Z',
      'actorId=actor-7&action=org.updated&outcome=success',
      'actorId=nobody&outcome=denied',
    ];
    for (const filter of filters) {
      const read = async () => {
        await product.sql('SELECT pg_stat_force_next_flush()');
        const [row] = await product.sql(
          `SELECT sum(seq_tup_read)::int AS read FROM pg_stat_user_tables WHERE relname IN ('audit_events', 'audit_positions')`,
        );
        return Number(row?.['read']);
      };
      const before = await read();
      expectStatus(await search(`?limit=10&${filter}`, long), 200);
      expect((await read()) - before, filter).toBe(0);
    }
  });

  it('as CSV has a line for each event that is found, and is recorded as that', async () => {
    for (const ask of [
      { path: '?outcome=denied&format=csv', accept: '*/*' },
      { path: '?outcome=denied', accept: 'text/csv' },
    ]) {
      const answer = await product.get(`/orgs/${long.organization.id}/audit/events${ask.path}`, {
        token: long.accessToken,
        headers: { accept: ask.accept },
      });
      expectStatus(answer, 200);
      expect(answer.headers['content-type']).toMatch(/^text\/csv\b/);
      const lines = answer.raw.toString().split('\r\n');
      expect(lines[0]).toMatch(/^pos,time,action,outcome,/);
      expect(lines.at(-1)).toBe('');
      expect(lines).toHaveLength(COUNT / 100 + 2);
    }
    const read = await product.records(long.organization.id, 'audit.read');
    expect(read.filter(({ changes }) => changes?.format?.to === 'csv')).toHaveLength(1);
  });
});

describe('CSV', () => {
  it('lets no field be a formula', () => {
    for (const text of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', ' =1', '＝1', '\u200B=1'])
      expect(csvField(text), JSON.stringify(text)).toBe(`"'${text}"`);
  });

  it('leaves all else as it is, in quotes', () => {
    expect(csvField('a "b", c\nd')).toBe('"a ""b"", c\nd"');
    expect(csvField('2026-11-22')).toBe('"2026-11-22"');
    expect(csvField('')).toBe('""');
  });

  it('guards what people write into the log', async () => {
    const person = {
      email: 'eve@acme.example',
      name: '=HYPERLINK("http://x")',
      password: 'evening star lantern 7 x',
    };
    await product.addMember(admin, person, 'viewer');
    await product.signIn(person, undefined, { headers: { 'user-agent': '@SUM(1)' } });
    const answer = await search(`?format=csv&action=auth.signed_in&limit=1`);
    expect(answer.raw.toString()).toContain(`"'=HYPERLINK(""http://x"")"`);
    expect(answer.raw.toString()).toContain(`"'@SUM(1)"`);
  });
});
