import { existsSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';

/**
 * `npm start` as a service manager runs it. npm puts a shell before the product and hands SIGTERM to that; a shell that
 * is ended so tells nobody, and leaves behind what it started. So the script begins with `exec`, where there is one
 * (`cmd` knows none, and goes on after `||`).
 */
describe('npm start', { timeout: 180_000 }, () => {
  let product: Product | undefined;
  afterAll(() => disposeAll([product]));

  it('stops whole, the database too, when npm is told to stop', async () => {
    const npm = (process.env['PATH'] ?? '')
      .split(delimiter)
      .map((folder) => join(folder, 'npm'))
      .find((path) => existsSync(path));
    expect(npm).toBeDefined();
    product = await startProduct({ command: [realpathSync(npm!), 'start'] });
    expect(product.processes().some(({ command }) => command.startsWith('node apps/start.mjs'))).toBe(true);
    await product.stop();
  });
});
