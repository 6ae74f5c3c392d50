import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { until } from '../kit/app-in-process.ts';
import { expectAnswer } from '../kit/client.ts';
import { run } from '../kit/database.ts';
import { accept, HttpReceiver } from '../kit/http-receiver.ts';
import { setUp, signIn } from '../kit/tenancy.ts';

const CANARY = 'canary-rotated-4d1f77ab90';
const HOOK_KEY = 'canary-hook-key-1c5e9f03aa';

/** One process serves, two others work. A worker is killed while the hook of a rotation holds it up. */
describe('a worker that is killed in the middle of a rotation', () => {
  const env = { PORTCULLIS_EGRESS_ALLOW: '127.0.0.0/8' };
  const products: Product[] = [];
  let receiver: HttpReceiver;

  beforeAll(async () => {
    receiver = await HttpReceiver.start();
    products.push(await startProduct({ role: 'api', env }));
  });
  afterAll(async () => {
    await disposeAll(products);
    await receiver.stop();
  });

  it('leaves it to another, which ends it with one new version; no value shows in logs and processes', async () => {
    const api = products[0]!;
    const owner = await setUp(api);
    const admin = await signIn(api, owner, 'acme');
    const as = { token: admin.accessToken };
    const secrets = `/orgs/${admin.organization.id}/secrets`;
    const create = async (path: string, fields: object): Promise<string> =>
      expectAnswer<{ id: string }>(await api.api.post(secrets, { path, fields }, as), 201).id;
    await create('hooks/key', { hmac: HOOK_KEY });
    const id = await create('ledger/db', { password: CANARY });
    const hook = { url: `${receiver.url}/rotations`, hmacKey: 'secret://hooks/key#hmac' };
    const rotation = { field: 'password', overlapSeconds: 0, hook };
    expectAnswer(await api.api.call('PUT', `${secrets}/${id}/rotation`, rotation, as), 200);

    const held: ServerResponse[] = [];
    receiver.behaviour = (_request, response) => void held.push(response);
    const first = await startProduct({ replicaOf: api, role: 'worker', env });
    products.push(first);
    expectAnswer(await api.api.post(`${secrets}/${id}/rotate`, undefined, as), 202);
    await until(async () => held.length > 0);
    const second = await startProduct({ replicaOf: api, role: 'worker', env });
    products.push(second);
    const shown = [api, first, second].flatMap((product) =>
      product.processes().flatMap(({ pid }) => ['cmdline', 'environ'].map((name) => readProcess(pid, name))),
    );
    expect(shown.join('\n')).toContain('PORTCULLIS_EGRESS_ALLOW');
    await first.kill9();
    receiver.behaviour = accept;

    const versions = async (): Promise<{ version: number; deletedAt: string | null }[]> =>
      expectAnswer<{ versions: { version: number; deletedAt: string | null }[] }>(
        await api.api.get(`${secrets}/${id}`, as),
        200,
      ).versions;
    await until(async () => (await versions()).some(({ deletedAt }) => deletedAt !== null), 150_000);
    expect((await versions()).map(({ version, deletedAt }) => [version, deletedAt !== null])).toEqual([
      [2, false],
      [1, true],
    ]);
    const { runs } = expectAnswer<{ runs: { state: string }[] }>(
      await api.api.get(`${secrets}/${id}/rotation`, as),
      200,
    );
    expect(runs.map(({ state }) => state)).toEqual(['ended']);
    const types = receiver.requests.map(({ body, headers }) => [
      (JSON.parse(body) as { type: string }).type,
      headers['webhook-id'],
    ]);
    expect(new Set(types.map(String))).toHaveLength(2);

    const fresh = await signIn(api, owner, 'acme');
    const revealed = await api.api.post(`${secrets}/${id}/reveal`, {}, { token: fresh.accessToken });
    const { password } = expectAnswer<{ fields: { password: string } }>(revealed, 200).fields;
    expect(password).toMatch(/^[A-Za-z0-9]{40}$/);
    const logs = products.map((product) => product.output()).join('\n');
    expect(logs).toContain('Portcullis listens');
    const bodies = receiver.requests.map((request) => JSON.stringify(request)).join('\n');
    const rows = await run(
      await api.databaseUrl(),
      'SELECT data::text, output::text FROM pgboss.job_common UNION ALL SELECT leaf, personal FROM portcullis.audit_events',
    );
    expect(rows.length).toBeGreaterThan(10);
    const everywhere = [shown.join('\n'), logs, bodies, JSON.stringify(rows)];
    for (const text of everywhere) {
      for (const value of [CANARY, HOOK_KEY, password]) expect(text).not.toContain(value);
    }
  });
});

/** Empty where the process has ended. */
function readProcess(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}
