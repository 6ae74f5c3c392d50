import { get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Database } from '#database';
import {
  type AppInProcess,
  type Answered,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../test/kit/app-in-process.ts';
import { beside } from '../../test/kit/stopwatch.ts';
import { verifyExport } from '../../test/system/verify-export.ts';
import { AuditExport } from './audit-export.ts';

let product: AppInProcess;
let admin: SignedIn;
let key: { id: string; key: string };
let path = '';
let port = 0;

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  key = await product.apiKey(admin, { permissions: ['audit:export'] });
  path = `/orgs/${admin.organization.id}/audit/export`;
  await product.app.listen(0, '127.0.0.1');
  port = (product.app.getHttpServer().address() as AddressInfo).port;
});
afterAll(() => product.close());

const read = (query = '', token = key.key): Promise<Answered> => product.get(`${path}${query}`, { token });
const linesOf = (answer: Answered): string[] => {
  const text = answer.raw.toString('utf8');
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text.split('\n').slice(0, -1);
};
const headerOf = (answer: Answered, name: string): string => String(answer.headers[name]);

/** Something to record: the organization is renamed. */
const act = async (token = admin.accessToken): Promise<void> => {
  const name = `Acme ${Math.random()}`;
  expectStatus(await product.ask('PATCH', `/orgs/${admin.organization.id}`, { token, body: { name } }), 200);
};

/** Events in bulk, as the owner of the schema, in the shape the product writes. */
async function fill(count: number): Promise<void> {
  await product.change(
    `INSERT INTO audit_events (org_id, id, leaf, personal)
     SELECT $1::uuid, id, '{"action":"org.updated","actor":{"id":"spec","type":"system"},"commitments":{},"id":"' || id
       || '","org":"' || $1 || '","outcome":"success","request":{"id":"r","method":"PATCH","route":"/"},"target":{"id":"x",'
       || '"type":"organization"},"time":"2026-11-22T03:00:00.000Z","v":1}', '{}'
       FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $2)) AS made`,
    [admin.organization.id, count],
  );
}

describe('the export', () => {
  it('is NDJSON with the head of the log in its headers, and proves itself', async () => {
    const answer = await read();
    expectStatus(answer, 200);
    expect(answer.headers['content-type']).toMatch(/^application\/x-ndjson\b/);
    const lines = linesOf(answer);
    const treeSize = Number(headerOf(answer, 'x-audit-tree-size'));
    expect(lines).toHaveLength(treeSize);
    expect(headerOf(answer, 'x-audit-next')).toBe(String(treeSize));
    const root = headerOf(answer, 'x-audit-root');
    const verdict = await verifyExport(lines, new Map([[admin.organization.id, { treeSize, root }]]));
    expect(verdict.problems).toEqual([]);
  });

  it('goes on after a position, as far as the limit, and says where to continue', async () => {
    const all = linesOf(await read());
    const page = await read('?after=2&limit=3');
    expect(linesOf(page)).toEqual(all.slice(2, 5));
    expect(headerOf(page, 'x-audit-next')).toBe('5');
    expect(Number(headerOf(page, 'x-audit-tree-size'))).toBe(all.length);
  });

  it('is empty after the head', async () => {
    const head = headerOf(await read(), 'x-audit-next');
    const answer = await read(`?after=${head}`);
    expectStatus(answer, 200);
    expect(answer.raw).toHaveLength(0);
    expect(headerOf(answer, 'x-audit-next')).toBe(head);
    expect(headerOf(answer, 'x-audit-root')).toMatch(/^[0-9a-f]{64}$/);
  });

  it('refuses a position that there is not yet', async () => {
    const head = Number(headerOf(await read(), 'x-audit-next'));
    const problem = expectStatus(await read(`?after=${head + 1}`), 400, 'audit.beyond_log');
    expect(problem.data).toEqual({ treeSize: head });
    expect(problem.errors).toMatchObject([{ path: 'after' }]);
  });

  it.each([
    ['after=-1', 'after'],
    ['after=1.5', 'after'],
    ['after=x', 'after'],
    ['after=99999999999999999999', 'after'],
    ['limit=0', 'limit'],
    ['limit=10001', 'limit'],
    ['wait=31', 'wait'],
    ['wait=-1', 'wait'],
    ['format=xml', 'format'],
    ['format=native&format=ocsf', 'format'],
    ['since=1', 'since'],
  ])('refuses %s and says where', async (query, at) => {
    const problem = expectStatus(await read(`?${query}`), 400, 'http.invalid_input');
    expect(problem.errors.map((error: { path: string }) => error.path)).toEqual([at]);
  });

  it('is for those who may export', async () => {
    const other = await product.apiKey(admin, { permissions: ['audit:read'] });
    const problem = expectStatus(await read('', other.key), 403, 'access.denied');
    expect(problem.data).toEqual({ permission: 'audit:export' });
  });

  it('speaks OCSF about the same positions', async () => {
    for (let times = 0; times < 5; times += 1) await act();
    const native = linesOf(await read('?limit=5')).map((line) => JSON.parse(line));
    const answer = await read('?limit=5&format=ocsf');
    const ocsf = linesOf(answer).map((line) => JSON.parse(line));
    expect(headerOf(answer, 'x-audit-next')).toBe('5');
    expect(
      ocsf.map(({ metadata, unmapped }) => [metadata.sequence, metadata.uid, unmapped.leaf_hash]),
    ).toEqual(native.map(({ pos, id, leafHash }) => [pos, id, leafHash]));
  });

  it('is recorded once in ten minutes for each reader', async () => {
    const reader = await product.apiKey(admin, { permissions: ['audit:export'] });
    const count = async (): Promise<number> =>
      (await product.records(admin.organization.id, 'audit.exported')).filter(
        ({ actor }) => actor.id === reader.id,
      ).length;
    product.clock.hold();
    for (let n = 0; n < 5; n += 1) expectStatus(await read('?limit=1', reader.key), 200);
    expect(await count()).toBe(1);
    product.clock.advance(599_000);
    expectStatus(await read('?limit=1', reader.key), 200);
    expect(await count()).toBe(1);
    product.clock.advance(2_000);
    expectStatus(await read('?limit=1', reader.key), 200);
    expect(await count()).toBe(2);
    product.clock.reset();
  });

  it('is refused where it cannot be recorded, and recorded the next time', async () => {
    const reader = await product.apiKey(admin, { permissions: ['audit:export'] });
    const database = product.app.get(Database);
    const broken = vi.spyOn(database, 'inOrg').mockRejectedValueOnce(new Error('no database'));
    expect((await read('?limit=1', reader.key)).status).toBe(500);
    broken.mockRestore();
    expectStatus(await read('?limit=1', reader.key), 200);
    const records = await product.records(admin.organization.id, 'audit.exported');
    expect(records.filter(({ actor }) => actor.id === reader.id)).toHaveLength(1);
  });
});

describe('waiting for an event', () => {
  const cheapest = (): Promise<unknown> => product.sql('SELECT 1');

  it('ends with the event', async () => {
    const head = Number(headerOf(await read(), 'x-audit-next'));
    const role = { name: 'Heard of', permissions: ['org:read'] };
    const roles = `/orgs/${admin.organization.id}/roles`;
    const {
      value: answer,
      ms,
      machine,
    } = await beside(cheapest, async () => {
      const waiting = read(`?after=${head}&wait=20`);
      await sleep(500);
      expectStatus(await product.post(roles, role, { token: admin.accessToken }), 201);
      return waiting;
    });
    expect(ms - machine).toBeLessThan(10_000);
    expect(linesOf(answer).map((line) => JSON.parse(line).action)).toContain('role.created');
    expect(Number(headerOf(answer, 'x-audit-next'))).toBeGreaterThan(head);
  });

  it('ends empty when the time is over', async () => {
    const head = headerOf(await read(), 'x-audit-next');
    const started = performance.now();
    const answer = await read(`?after=${head}&wait=1`);
    expect(performance.now() - started).toBeGreaterThanOrEqual(950);
    expect(linesOf(answer)).toEqual([]);
    expect(headerOf(answer, 'x-audit-next')).toBe(head);
  });

  it('does not wait where there is something', async () => {
    const { value, ms, machine } = await beside(cheapest, () => read('?after=0&limit=1&wait=30'));
    expect(linesOf(value)).toHaveLength(1);
    expect(ms - machine).toBeLessThan(5_000);
  });

  it('ends with a refusal when the key is revoked meanwhile', async () => {
    const reader = await product.apiKey(admin, { permissions: ['audit:export'] });
    expectStatus(await read('?limit=1', reader.key), 200);
    // Nothing else speaks in this organization after its own refusal, so the wait would last.
    const head = Number(headerOf(await read(), 'x-audit-next'));
    const waiting = read(`?after=${head + 1}&wait=20`, reader.key);
    await sleep(300);
    const revoke = `/orgs/${admin.organization.id}/api-keys/${reader.id}`;
    expectStatus(await product.delete(revoke, { token: admin.accessToken }), 204);
    expect((await waiting).status).toBe(401);
  });

  it('ends with nothing that came after the role of who waits no longer lets them read', async () => {
    const person = { email: 'demoted@acme.example', name: 'Dee', password: 'correct horse battery staple 2' };
    const userId = await product.addMember(admin, person, 'auditor');
    const { accessToken } = await product.signIn(person);
    const head = Number(headerOf(await read(), 'x-audit-next'));
    // Beyond what its own refusal and the change of the role will be.
    const waiting = read(`?after=${head + 3}&wait=20`, accessToken);
    await until(async () => (await product.records(admin.organization.id, 'audit.exported')).length > 0);
    const member = `/orgs/${admin.organization.id}/members/${userId}`;
    const change = { token: admin.accessToken, body: { role: 'viewer' } };
    expectStatus(await product.ask('PATCH', member, change), 200);
    for (let times = 0; times < 5; times += 1) await act();
    const answer = await waiting;
    if (answer.status === 200) expect(linesOf(answer)).toEqual([]);
    else expect(answer.status).toBeGreaterThanOrEqual(400);
    expectStatus(await read('?limit=1', accessToken), 403);
  });
});

interface Streamed {
  status: number;
  headers: Record<string, unknown>;
  text: string;
  /** How the client saw it end. */
  end: 'complete' | 'cut';
}

/** Over a real socket, for how an answer ends is what this is about. `onData` runs at each chunk. */
function stream(
  query: string,
  token: string,
  onData: (soFar: number) => unknown = () => {},
): Promise<Streamed> {
  return new Promise((resolve, reject) => {
    get(
      {
        host: '127.0.0.1',
        port,
        path: `/api/v1${path}${query}`,
        headers: { authorization: `Bearer ${token}` },
      },
      (answer) => {
        const chunks: Buffer[] = [];
        const done = (end: Streamed['end']): void =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            text: Buffer.concat(chunks).toString(),
            end,
          });
        answer.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          onData(Buffer.concat(chunks).length);
        });
        answer.on('end', () => done('complete'));
        answer.on('error', () => done('cut'));
      },
    ).on('error', reject);
  });
}

describe('a long export', () => {
  beforeAll(() => fill(9_000));

  it('is streamed over many batches without a seam', async () => {
    const answer = await stream('?limit=10000', key.key);
    expect(answer).toMatchObject({ status: 200, end: 'complete' });
    const lines = answer.text.split('\n').slice(0, -1);
    expect(lines.length).toBeGreaterThan(8_000);
    expect(Number(answer.headers['x-audit-next'])).toBe(lines.length);
    const expected = {
      treeSize: Number(answer.headers['x-audit-tree-size']),
      root: String(answer.headers['x-audit-root']),
    };
    const verdict = await verifyExport(lines, new Map([[admin.organization.id, expected]]));
    expect(verdict.problems).toEqual([]);
  });

  it('is cut, and not ended, when the key is revoked in its midst', async () => {
    const reader = await product.apiKey(admin, { permissions: ['audit:export'] });
    let revoked: Promise<unknown> | undefined;
    const exporter = product.app.get(AuditExport);
    const original = exporter.start.bind(exporter);
    // Between two batches, so that it is certain where the revocation falls.
    vi.spyOn(exporter, 'start').mockImplementation(async (...args) => {
      const started = await original(...args);
      return {
        ...started,
        lines: (async function* () {
          let batches = 0;
          for await (const batch of started.lines) {
            yield batch;
            batches += 1;
            if (batches === 2) {
              const url = `/orgs/${admin.organization.id}/api-keys/${reader.id}`;
              revoked = product.delete(url, { token: admin.accessToken });
              await revoked;
            }
          }
        })(),
      };
    });
    const answer = await stream('?limit=10000', reader.key);
    vi.restoreAllMocks();
    expect(expectStatus((await revoked) as Answered, 204)).toBe('');
    expect(answer).toMatchObject({ status: 200, end: 'cut' });
    const whole = answer.text.split('\n').length - 1;
    expect(whole).toBeLessThan(Number(answer.headers['x-audit-next']));
    // What did arrive is right, so a reader may keep it and go on from there.
    const { problems } = await verifyExport(answer.text.split('\n').slice(0, whole));
    expect(problems).toEqual([]);
    expectStatus(await read('', reader.key), 401, 'auth.invalid_api_key');
  });

  it('is a refusal when not even the first batch may be read', async () => {
    const exporter = product.app.get(AuditExport);
    const original = exporter.start.bind(exporter);
    vi.spyOn(exporter, 'start').mockImplementation(async (...args) => ({
      ...(await original(...args)),
      lines: (async function* (): AsyncGenerator<Buffer> {
        yield await Promise.reject<Buffer>(new Error('planted-detail'));
      })(),
    }));
    const answer = await stream('', key.key);
    vi.restoreAllMocks();
    expect(answer.status === 200 && answer.end === 'complete').toBe(false);
    expect(answer.text).not.toContain('planted-detail');
  });

  it('holds no connection to the database between batches', async () => {
    // Eight readers, as many as there are connections, all of whom stop reading: others are still served.
    const slow = Array.from({ length: 8 }, () =>
      get(
        {
          host: '127.0.0.1',
          port,
          path: `/api/v1${path}?limit=10000`,
          headers: { authorization: `Bearer ${key.key}` },
        },
        (answer) => answer.pause(),
      ),
    );
    for (const request of slow) request.on('error', () => undefined);
    await sleep(1_000);
    expectStatus(await read('?limit=1'), 200);
    for (const request of slow) request.destroy();
  });
});

it('the log is not told of by its own reader for ever', async () => {
  const head = Number(headerOf(await read(), 'x-audit-tree-size'));
  await until(async () => Number(headerOf(await read(`?after=${head}`), 'x-audit-next')) === head);
});
