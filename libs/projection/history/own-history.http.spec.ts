import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CheckpointRounds, Forks } from '#audit';
import { type AppInProcess, expectStatus, owner, startApp } from '../../../test/kit/app-in-process.ts';
import { OwnSurfaces } from '../reading/own-surfaces.ts';
import { Sweep } from './sweep.ts';

let product: AppInProcess;

beforeAll(async () => {
  product = await startApp();
  await product.app.get(CheckpointRounds, { strict: false }).compare(() => undefined);
});
afterAll(() => product.close());

describe('the surfaces of the deployment itself', () => {
  it('have a history of what was observed, and are in no table', async () => {
    const operator = await product.signIn(owner, 'platform');
    const sweep = product.app.get(Sweep, { strict: false });
    await sweep.run(undefined, { id: 'x', attempt: 0 });
    // What was observed is told for two seconds.
    product.clock.advance(3_000);
    const areOpen = vi.spyOn(product.app.get(Forks, { strict: false }), 'areOpen').mockResolvedValue(true);
    await sweep.run(undefined, { id: 'x', attempt: 0 });
    await sweep.run(undefined, { id: 'x', attempt: 0 });
    areOpen.mockRestore();
    const own = await product.app.get(OwnSurfaces, { strict: false }).all();
    const { id } = own.find(({ key }) => key === 'audit-log')!;
    const path = `/orgs/${operator.organization.id}/projections/${id}/history`;
    const { items } = expectStatus(await product.get(path, { token: operator.accessToken }), 200);
    const told = items.map((one: { cause: { type: string }; fromVerdict: string; verdict: string }) => [
      one.cause.type,
      one.fromVerdict,
      one.verdict,
    ]);
    expect(told).toEqual([
      ['observation', 'ready', 'blocked'],
      ['observation', null, 'ready'],
    ]);
    const [row] = await product.sql('SELECT count(*)::int AS n FROM portcullis.surfaces');
    expect(row).toEqual({ n: 0 });
    const records = await product.records(operator.organization.id, 'projection.changed');
    expect(records.findLast(({ target }) => target.id === id)).toMatchObject({
      reason: 'observation',
      changes: { verdict: { from: 'ready', to: 'blocked' } },
    });
  });
});
