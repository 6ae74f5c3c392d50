import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { readExposition, valueOf } from '../kit/exposition.ts';
import { addKey, setUp, signIn } from '../kit/tenancy.ts';

describe('a scraper with an API key of the platform', () => {
  let api: Product;
  let worker: Product;
  let key = '';

  beforeAll(async () => {
    api = await startProduct();
    const operator = await signIn(api, await setUp(api), 'platform');
    ({ key } = await addKey(api, operator, ['metrics:read']));
    worker = await startProduct({ replicaOf: api, role: 'worker' });
  });
  afterAll(() => disposeAll([api, worker]));

  it('reads both kinds of process, and of a worker nothing else but its health', async () => {
    for (const process of [api, worker]) {
      expectAnswer(await process.api.get('/metrics'), 401);
      const answer = await process.api.get('/metrics', { token: key });
      const { families, faults } = readExposition(expectAnswer<string>(answer, 200));
      expect(faults).toEqual([]);
      expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
      const failed = families.get('portcullis_scrape_error')!.lines.filter(({ value }) => value !== 0);
      expect(failed).toEqual([]);
      expect(valueOf(families, 'portcullis_system_state', { state: 'operational' })).toBe(1);
    }
    expectAnswer(await worker.api.get('/auth/me', { token: key }), 404, 'http.route_not_found');
  });
});
