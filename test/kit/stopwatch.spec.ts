import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { beside } from './stopwatch.ts';

it('counts what holds up the control as the machine’s, and what holds up the work alone as its own', async () => {
  const held = await beside(
    () => sleep(40),
    () => sleep(100, 'done'),
  );
  expect(held.value).toBe('done');
  expect(held.machine).toBeGreaterThan(200);
  const own = await beside(
    async () => undefined,
    () => sleep(100),
  );
  expect(own.ms).toBeGreaterThan(95);
});

it('fails with the work, and with the control', async () => {
  const refuse = () => Promise.reject(new Error('no'));
  await expect(beside(async () => undefined, refuse)).rejects.toThrow('no');
  await expect(beside(refuse, () => sleep(20))).rejects.toThrow('no');
});
