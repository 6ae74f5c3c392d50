import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** A folder of the public test data that PORTCULLIS_TEST_DATA names; undefined, with a word of it, where there is none. */
export function testData(name: string): string | undefined {
  const root = process.env['PORTCULLIS_TEST_DATA'];
  const folder = root === undefined ? undefined : join(root, name);
  if (folder !== undefined && existsSync(folder)) return folder;
  console.warn(`skipped: what needs the test data ${name} (PORTCULLIS_TEST_DATA names the folder above it)`);
  return undefined;
}
