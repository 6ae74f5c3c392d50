import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CopiedLines } from './copied-lines.ts';

const HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const TRAILER = Buffer.from([0xff, 0xff]);

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
/** A row of one column, as PostgreSQL writes it. */
const row = (value: Buffer | null): Buffer =>
  Buffer.concat([Buffer.from([0, 1]), int32(value?.length ?? -1), value ?? Buffer.alloc(0)]);
const copyOf = (values: (Buffer | null)[]): Buffer => Buffer.concat([HEADER, ...values.map(row), TRAILER]);

const values = fc.array(fc.option(fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))));

describe('the values of a binary COPY', () => {
  it('come out as they are, however the network cut them', () => {
    fc.assert(
      fc.property(values, fc.array(fc.integer({ min: 1, max: 50 })), (rows, cuts) => {
        const bytes = copyOf(rows);
        const copied = new CopiedLines();
        const pieces: Buffer[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          pieces.push(...copied.take(bytes.subarray(at, at + cut)));
          at += cut;
        }
        copied.finish();
        expect(Buffer.concat(pieces)).toEqual(Buffer.concat(rows.filter((one) => one !== null)));
      }),
    );
  });

  it('that end early are no whole answer', () => {
    const bytes = copyOf([Buffer.from('one\n'), Buffer.from('two\n')]);
    for (let end = 0; end < bytes.length; end += 1) {
      const copied = new CopiedLines();
      copied.take(bytes.subarray(0, end));
      expect(() => copied.finish()).toThrow('COPY ended before its last row');
    }
  });
});
