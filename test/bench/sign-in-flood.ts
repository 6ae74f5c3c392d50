// Signs in as fast as the server lets it, on a fixed number of connections, and prints how often.
import { Client } from './client.ts';
import type { Person } from './deployment.ts';

export interface Flood {
  readonly port: number;
  readonly people: readonly Person[];
  readonly connections: number;
  readonly seconds: number;
}

export interface FloodResult {
  readonly perSecond: number;
  readonly refused: number;
}

const { port, people, connections, seconds } = JSON.parse(process.argv[2] ?? '') as Flood;
const client = new Client(port);
const begun = performance.now();
const until = begun + seconds * 1000;
let done = 0;
let refused = 0;
// Counted up to the last answer, so that the requests still under way at the end are neither lost nor free.
let lastAt = begun;
await Promise.all(Array.from({ length: connections }, (_, i) => keepSigningIn(i)));
client.close();
const result: FloodResult = { perSecond: (done / (lastAt - begun)) * 1000, refused };
console.log(JSON.stringify(result));

async function keepSigningIn(index: number): Promise<void> {
  const { email, password } = people[index % people.length] as Person;
  // As a client does, it keeps the token of its device.
  let deviceToken: string | undefined;
  while (performance.now() < until) {
    const body = { email, password, ...(deviceToken !== undefined && { deviceToken }) };
    const answer = await client.call('POST', '/api/v1/auth/login', undefined, body);
    deviceToken ??= (answer.body as { deviceToken?: string }).deviceToken;
    if (answer.status === 200) done += 1;
    else refused += 1;
    lastAt = performance.now();
  }
}
