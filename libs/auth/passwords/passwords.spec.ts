import { argon2Sync } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Fault } from '#kernel';
import { CURRENT, formatHash, parseHash } from './password-hash.ts';
import { Passwords } from './passwords.ts';

let passwords: Passwords;
beforeEach(() => {
  passwords = new Passwords();
});
afterEach(() => passwords.onModuleDestroy());

const weak = (password: string): string => {
  const [salt, parameters] = [Buffer.alloc(16, 1), { memory: 64, passes: 1, parallelism: 1 }];
  const hash = argon2Sync('argon2id', { message: password, nonce: salt, tagLength: 32, ...parameters });
  return formatHash({ ...parameters, salt, hash });
};

/** Runs the function for each number at once; how many were done and how many refused as busy. */
async function flood(count: number, one: () => Promise<unknown>): Promise<{ done: number; busy: number }> {
  const results = await Promise.allSettled(Array.from({ length: count }, async () => one()));
  const codes = results.map((result) =>
    result.status === 'fulfilled' ? 'done' : (result.reason as Fault).code,
  );
  const known = codes.filter((code) => code === 'done' || code === 'auth.busy');
  expect(known).toHaveLength(count);
  const done = codes.filter((code) => code === 'done').length;
  return { done, busy: count - done };
}

describe('passwords', () => {
  it('are known again, and no other is', async () => {
    const stored = await passwords.hash('correct horse');
    expect(await passwords.verify('correct horse', stored)).toBe(true);
    for (const other of ['correct horse ', 'Correct horse', '', 'correct hors']) {
      expect(await passwords.verify(other, stored)).toBe(false);
    }
  });

  it('are hashed with the present parameters and a salt each', async () => {
    const [one, other] = [parseHash(await passwords.hash('same')), parseHash(await passwords.hash('same'))];
    expect(one).toMatchObject(CURRENT);
    expect(one.salt.equals(other.salt)).toBe(false);
    expect(one.hash.equals(other.hash)).toBe(false);
    const again = argon2Sync('argon2id', { message: 'same', nonce: one.salt, tagLength: 32, ...CURRENT });
    expect(again.equals(one.hash)).toBe(true);
  });

  it('are verified with the parameters they were hashed with', async () => {
    expect(await passwords.verify('old', weak('old'))).toBe(true);
    expect(await passwords.verify('new', weak('old'))).toBe(false);
  });

  it('cost as much, and are wrong, where there is no account', async () => {
    const posted = vi.spyOn(Worker.prototype, 'postMessage');
    expect(await passwords.verify('anything', undefined)).toBe(false);
    expect(await passwords.verify('', undefined)).toBe(false);
    expect(posted.mock.calls.map(([job]) => job as object)).toMatchObject([CURRENT, CURRENT]);
  });

  it('beyond a bounded queue are refused at once, and the rest are all answered', async () => {
    const { done, busy } = await flood(400, () => passwords.verify('x', weak('x')));
    expect(busy).toBeGreaterThan(300);
    expect(done).toBeGreaterThanOrEqual(64);
    expect(done).toBeLessThanOrEqual(64 + 2 * 64);
    expect(await passwords.verify('x', weak('x'))).toBe(true);
  });

  it('leave the thread that answers requests alone', async () => {
    const here = (since?: NodeJS.CpuUsage): number => process.threadCpuUsage(since).user;
    const before = process.threadCpuUsage();
    argon2Sync('argon2id', { message: 'x', nonce: Buffer.alloc(16), tagLength: 32, ...CURRENT });
    const one = here(before);
    const began = process.threadCpuUsage();
    await flood(40, () => passwords.hash('x'));
    // Forty hashes cost this thread less than five that it would compute itself.
    expect(here(began)).toBeLessThan(5 * one);
  });

  it('of a hash that nobody can read are an error, not a yes', async () => {
    await expect(passwords.verify('x', 'plain')).rejects.toThrow('PHC');
    await expect(passwords.verify('', '')).rejects.toThrow('PHC');
  });

  // argon2 refuses so little memory for so many lanes.
  const impossible = formatHash({
    memory: 1,
    passes: 1,
    parallelism: 9,
    salt: Buffer.alloc(16),
    hash: Buffer.alloc(32),
  });

  it('that cannot be hashed are an error, and leave the threads to the others', async () => {
    const results = await Promise.allSettled([
      ...Array.from({ length: 6 }, () => passwords.verify('x', impossible)),
      ...Array.from({ length: 6 }, () => passwords.verify('x', weak('x'))),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 6 }, () => 'rejected'),
      ...Array.from({ length: 6 }, () => 'fulfilled'),
    ]);
  });

  it('that wait when every thread dies are answered all the same', async () => {
    const killed = new Set<Worker>();
    const post = Worker.prototype.postMessage;
    vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, job: unknown) {
      if (!killed.has(this) && killed.size === 4) return post.call(this, job);
      killed.add(this);
      void this.terminate();
    });
    const results = await Promise.allSettled(
      Array.from({ length: 12 }, () => passwords.verify('x', weak('x'))),
    );
    const failed = results.filter(({ status }) => status === 'rejected');
    // Each took the job it worked on with it, and no other.
    expect(failed).toHaveLength(4);
    expect(results).toHaveLength(12);
    expect(await passwords.verify('x', weak('x'))).toBe(true);
  });

  it('are refused once it stops, also those that wait', async () => {
    const waiting = Promise.allSettled(Array.from({ length: 30 }, () => passwords.hash('x')));
    await passwords.onModuleDestroy();
    const ended = await Promise.race([
      waiting,
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 60_000)),
    ]);
    expect(ended).toBeDefined();
    await expect(passwords.hash('x')).rejects.toThrow(Fault);
  });
});
