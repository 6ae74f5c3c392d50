// Sends requests at a fixed rate whether or not earlier ones were answered, and prints how long each took. Sending
// does not wait for answers, so a server that stalls is seen by every request that falls into the stall.
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from './client.ts';
import { percentile } from './figures.ts';

export interface OpenLoop {
  readonly targets: readonly { port: number; path: string; token: string }[];
  readonly perSecond: number;
  readonly seconds: number;
}

export interface OpenLoopResult {
  readonly sent: number;
  /** Answers other than 200. */
  readonly refused: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const { targets, perSecond, seconds } = JSON.parse(process.argv[2] ?? '') as OpenLoop;
const clients = targets.map(({ port }) => new Client(port));
const took: number[] = [];
const waiting: Promise<void>[] = [];
let refused = 0;

const begun = performance.now();
const total = Math.round(perSecond * seconds);
while (waiting.length < total) {
  const due = Math.min(total, ((performance.now() - begun) / 1000) * perSecond);
  while (waiting.length < due) waiting.push(send(waiting.length % targets.length));
  await sleep(1);
}
await Promise.all(waiting);
for (const client of clients) client.close();
const result: OpenLoopResult = {
  sent: total,
  refused,
  p50: percentile(took, 50),
  p99: percentile(took, 99),
  max: percentile(took, 100),
};
console.log(JSON.stringify(result));

async function send(index: number): Promise<void> {
  const target = targets[index];
  const answer = await clients[index]?.call('GET', target?.path ?? '', target?.token);
  if (answer?.status !== 200) refused += 1;
  took.push(answer?.ms ?? NaN);
}
