import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MovableClock } from '../../../../test/kit/app-in-process.ts';
import type { SinkEvent } from '../delivery.ts';
import { Egress } from '#egress';
import type { ReceiverParts } from '../receiver-parts.ts';
import { FileReceiver } from './file.ts';

const ORG = '01a20201-0000-7000-8000-000000000000';
let dir = '';
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'portcullis-file-sink-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const parts = (settings: object = {}): ReceiverParts<'file'> => ({
  sinkId: 'sink',
  orgId: ORG,
  logOrgId: ORG,
  format: 'native',
  settings: { folder: 'audit', ...settings },
  egress: new Egress([]),
  clock: new MovableClock(),
  timeoutMs: 1_000,
  fileDir: dir,
  secret: async () => undefined,
});
const events = (from: number, to: number): SinkEvent[] =>
  Array.from({ length: to - from + 1 }, (_, n) => ({
    org: ORG,
    pos: from + n,
    id: `event-${from + n}`,
    time: '2026-11-22T04:11:11.114Z',
    action: 'org.updated',
    severity: 1 as const,
    leafHash: '',
    line: JSON.stringify({ pos: from + n, text: 'x'.repeat(100) }),
  }));
const file = (): string => join(dir, 'audit', `${ORG}.log`);
const positionsIn = (text: string): number[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { pos: number }).pos);
const send = (receiver: FileReceiver, from: number, to: number): Promise<void> =>
  receiver.deliver(events(from, to), new AbortController().signal);
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** A disk that is full after so many bytes: it takes what fits and then fails, as a real one does. */
function fullAfter(bytes: number): (path: string) => Promise<FileHandle> {
  return async (path) => {
    const handle = await open(path, 'a+');
    return new Proxy(handle, {
      get(target, name) {
        if (name === 'appendFile') {
          return async (data: Buffer) => {
            const { size } = await target.stat();
            if (size + data.length <= bytes) return target.appendFile(data);
            await target.appendFile(data.subarray(0, Math.max(0, bytes - size)));
            throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
          };
        }
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
  };
}

describe('a file', () => {
  it('has the lines when they count', async () => {
    const receiver = new FileReceiver(parts());
    await send(receiver, 1, 3);
    expect(positionsIn(readFileSync(file(), 'utf8'))).toEqual([1, 2, 3]);
    await receiver.close();
  });

  it('on a full disk holds no half of a line, and goes on when there is room', async () => {
    const full = new FileReceiver(parts(), fullAfter(500));
    await send(full, 1, 3);
    await expect(send(full, 4, 6)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(positionsIn(readFileSync(file(), 'utf8'))).toEqual([1, 2, 3]);
    await expect(send(full, 4, 6)).rejects.toMatchObject({ code: 'ENOSPC' });
    await full.close();
    await send(new FileReceiver(parts()), 4, 6);
    expect(positionsIn(readFileSync(file(), 'utf8'))).toEqual(range(1, 6));
  });

  it('loses the half line that a crash left', async () => {
    await send(new FileReceiver(parts()), 1, 2);
    appendFileSync(file(), `{"pos":3,"text":"${'y'.repeat(200_000)}`);
    await send(new FileReceiver(parts()), 3, 4);
    expect(positionsIn(readFileSync(file(), 'utf8'))).toEqual([1, 2, 3, 4]);
  });

  it('is put aside at its size, in names that sort, and as many are kept as asked for', async () => {
    const receiver = new FileReceiver(parts({ rotateBytes: 4_096, keep: 3 }));
    for (let from = 1; from < 400; from += 10) await send(receiver, from, from + 9);
    const names = readdirSync(join(dir, 'audit')).sort();
    const aside = names.filter((name) => name !== `${ORG}.log`);
    expect(aside).toHaveLength(3);
    const kept = [...aside, ...names.filter((name) => name === `${ORG}.log`)];
    const all = kept.flatMap((name) => positionsIn(readFileSync(join(dir, 'audit', name), 'utf8')));
    expect(all).toEqual(range(all[0] ?? 0, 400));
    expect(Number(aside.at(-1)?.split('.')[1])).toBeGreaterThan(300);
  });
});
