// argon2id with the parameters of the product and nothing else, in as many threads as told; prints hashes a second.
import { argon2Sync, randomBytes } from 'node:crypto';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

export interface RawArgon2 {
  readonly threads: number;
  readonly seconds: number;
}

if (isMainThread) {
  const { threads, seconds } = JSON.parse(process.argv[2] ?? '') as RawArgon2;
  const rates = await Promise.all(Array.from({ length: threads }, () => rateOf(seconds)));
  console.log(JSON.stringify(rates.reduce((sum, rate) => sum + rate, 0)));
} else {
  // As the product's own threads, so that whatever else runs on this machine weighs on both alike.
  if (process.platform === 'linux') setPriority(19);
  const until = performance.now() + (workerData as number) * 1000;
  const begun = performance.now();
  let done = 0;
  for (; performance.now() < until; done += 1) {
    argon2Sync('argon2id', {
      message: 'quiet river stone lantern',
      nonce: randomBytes(16),
      memory: 19_456,
      passes: 2,
      parallelism: 1,
      tagLength: 32,
    });
  }
  parentPort?.postMessage((done / (performance.now() - begun)) * 1000);
}

function rateOf(seconds: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: seconds });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
