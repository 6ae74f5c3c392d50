import { afterAll, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { until } from '../kit/app-in-process.ts';

/** npm runs a script by a shell, which passes SIGTERM on to nobody. */
const npm = process.env['npm_execpath'];
let product: Product | undefined;

afterAll(() => disposeAll([product]));

it.skipIf(npm === undefined)(
  '`npm start` leaves nothing behind where npm alone is told to stop',
  async () => {
    const started = await startProduct({ command: [npm ?? '', 'start', '--silent'] });
    product = started;
    expect(started.processes().length).toBeGreaterThan(3);
    process.kill(started.pid, 'SIGTERM');
    await until(async () => started.processes().length === 0);
  },
  240_000,
);
