import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, refusedStart, startProduct } from '../kit/app.ts';
import { run } from '../kit/database.ts';
import { setUp } from '../kit/tenancy.ts';

describe('a start without the master key of its database', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-refused-'));
  const empty = join(folder, 'empty');
  const wrong = join(folder, 'wrong.key');
  let product: Product;
  let right: string;
  let databaseUrl: string;

  beforeAll(async () => {
    product = await startProduct();
    await setUp(product);
    databaseUrl = await product.databaseUrl();
    right = join(folder, 'right.key');
    copyFileSync(join(product.dataDir, 'master.key'), right);
    chmodSync(right, 0o600);
    writeFileSync(wrong, randomBytes(32).toString('base64url'), { mode: 0o600 });
    // What an older build would have left to migrate.
    await run(
      databaseUrl,
      `DELETE FROM portcullis.migrations WHERE id = (SELECT max(id) FROM portcullis.migrations)`,
    );
  });
  afterAll(async () => {
    await disposeAll([product]);
    rmSync(folder, { recursive: true, force: true });
  });

  const state = async (): Promise<string> =>
    JSON.stringify([
      // What the product that still runs here does not touch.
      await run(databaseUrl, 'SELECT id, master_key_check, set_up_at FROM portcullis.deployment'),
      await run(databaseUrl, 'SELECT count(*) FROM portcullis.migrations'),
    ]);
  async function refusal(env: Record<string, string>): Promise<string> {
    const before = await state();
    const { code, output } = await refusedStart({
      DATABASE_URL: databaseUrl,
      PORTCULLIS_DATA_DIR: empty,
      ...env,
    });
    expect(code, output).toBe(1);
    expect(output).not.toMatch(/^\s+at /m);
    expect(await state()).toBe(before);
    expect(existsSync(empty) ? readdirSync(empty) : []).toEqual([]);
    return output;
  }

  it('is refused where there is no file, and makes none', async () => {
    expect(await refusal({})).toContain(
      `the master key file ${join(empty, 'master.key')} does not exist, and this database was set up with one`,
    );
  });

  it('is refused where the file that is named is not there', async () => {
    const named = join(folder, 'none.key');
    expect(await refusal({ PORTCULLIS_MASTER_KEY_FILE: named })).toContain(`${named} does not exist`);
    expect(
      await refusal({ PORTCULLIS_MASTER_KEY_FILE: right, PORTCULLIS_PREVIOUS_MASTER_KEY_FILE: named }),
    ).toContain(named);
    expect(existsSync(named)).toBe(false);
  });

  it('is refused with another key', async () => {
    const output = await refusal({ PORTCULLIS_MASTER_KEY_FILE: wrong });
    expect(output).toContain('not the one this database was set up with; nothing was written');
  });

  it.each([0o644, 0o604, 0o660, 0o700])('is refused where the mode of the file is %o', async (mode) => {
    const open = join(folder, `open-${mode}.key`);
    copyFileSync(right, open);
    chmodSync(open, mode);
    expect(await refusal({ PORTCULLIS_MASTER_KEY_FILE: open })).toContain(
      `${open} must have mode 0600 or 0640`,
    );
  });

  it('is refused where the file holds no key', async () => {
    const cut = join(folder, 'cut.key');
    writeFileSync(cut, 'c2hvcnQ', { mode: 0o600 });
    const output = await refusal({ PORTCULLIS_MASTER_KEY_FILE: cut });
    expect(output).toContain('must hold 32 bytes as base64url');
    expect(output).not.toContain('c2hvcnQ');
  });
});
