// argon2id with the parameters of the product and nothing else, in as many threads as told; prints hashes a second.
import { hashRawSync } from '@node-rs/argon2';
import { argon2Sync, randomBytes } from 'node:crypto';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

export interface RawArgon2 {
  readonly threads: number;
  readonly seconds: number;
  /** Node's, or the one with vector instructions that the product uses where it can. */
  readonly by: 'node' | 'vectors';
}

if (isMainThread) {
  const work = JSON.parse(process.argv[2] ?? '') as RawArgon2;
  const rates = await Promise.all(Array.from({ length: work.threads }, () => rateOf(work)));
  console.log(JSON.stringify(rates.reduce((sum, rate) => sum + rate, 0)));
} else {
  // As the product's own threads, so that whatever else runs on this machine weighs on both alike.
  if (process.platform === 'linux') setPriority(19);
  const { seconds, by } = workerData as RawArgon2;
  const until = performance.now() + seconds * 1000;
  const begun = performance.now();
  const [message, memory, passes] = ['quiet river stone lantern', 19_456, 2];
  let done = 0;
  for (; performance.now() < until; done += 1) {
    const nonce = randomBytes(16);
    if (by === 'node')
      argon2Sync('argon2id', { message, nonce, memory, passes, parallelism: 1, tagLength: 32 });
    else
      hashRawSync(message, {
        salt: nonce,
        memoryCost: memory,
        timeCost: passes,
        parallelism: 1,
        outputLen: 32,
      });
  }
  parentPort?.postMessage((done / (performance.now() - begun)) * 1000);
}

function rateOf(work: RawArgon2): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: work });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
