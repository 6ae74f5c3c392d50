import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fastestArgon2id, type HashJob, portableArgon2id } from './argon2id.ts';

const job: HashJob = {
  password: 'correct horse',
  salt: new Uint8Array(16).fill(1),
  memory: 64,
  passes: 1,
  parallelism: 1,
  length: 32,
};

const bytes = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max });

describe('the fastest argon2id', () => {
  it('is not Node’s own on this platform', async () => {
    expect(await fastestArgon2id()).not.toBe(portableArgon2id);
  });

  it('computes what Node’s does, of any password, salt and parameters', async () => {
    const fastest = await fastestArgon2id();
    const jobs = fc.record({
      password: fc.oneof(fc.string({ unit: 'grapheme', maxLength: 64 }), fc.string({ maxLength: 300 })),
      salt: bytes(8, 64),
      memory: fc.integer({ min: 64, max: 512 }),
      passes: fc.integer({ min: 1, max: 3 }),
      parallelism: fc.integer({ min: 1, max: 4 }),
      length: fc.integer({ min: 16, max: 96 }),
    });
    fc.assert(
      fc.property(jobs, (one) => {
        expect(Buffer.from(fastest(one)).equals(Buffer.from(portableArgon2id(one)))).toBe(true);
      }),
    );
  });

  it('computes the hash that is stored of a password with the present parameters', async () => {
    const present = { ...job, memory: 19_456, passes: 2 };
    const fastest = await fastestArgon2id();
    expect(Buffer.from(fastest(present)).equals(Buffer.from(portableArgon2id(present)))).toBe(true);
  });

  it('is Node’s own where there is no other for the platform', async () => {
    const missing = (): Promise<never> => Promise.reject(new Error('Cannot find native binding'));
    expect(await fastestArgon2id(missing)).toBe(portableArgon2id);
  });

  it('is Node’s own where the other computes something else, or nothing', async () => {
    const real = await import('@node-rs/argon2');
    const wrong = { ...real, hashRawSync: () => Buffer.alloc(32) };
    expect(await fastestArgon2id(async () => wrong)).toBe(portableArgon2id);
    const broken = {
      ...real,
      hashRawSync: (): Buffer => {
        throw new Error('illegal instruction');
      },
    };
    expect(await fastestArgon2id(async () => broken)).toBe(portableArgon2id);
  });
});
