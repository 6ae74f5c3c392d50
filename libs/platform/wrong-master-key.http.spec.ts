import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '#database';
import { MasterKey } from '#secrets';
import { type AppInProcess, startApp } from '../../test/kit/app-in-process.ts';
import { SystemState } from './system-state.ts';

let product: AppInProcess;
beforeAll(async () => {
  product = await startApp();
});
afterAll(() => product.close());

describe('a database with another master key than its own', () => {
  const open = (key: MasterKey): Promise<void> =>
    new SystemState(product.app.get(Database), key, product.clock).open();

  it('is not started on', async () => {
    await expect(open(new MasterKey(randomBytes(32)))).rejects.toThrow('the master key is not the one');
    await expect(open(product.app.get(MasterKey, { strict: false }))).resolves.toBeUndefined();
  });
});
