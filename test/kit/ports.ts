import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports that kernels hand out by themselves (from 32768 on Linux, from 49152 elsewhere). A port from among
 * those may go to somebody else's connection between the moment it is found free and the moment it is listened on,
 * or while a server that is to come back on it is away.
 */
const [FIRST, BEHIND] = [12_000, 32_000];

/** A port of the loopback address that nobody listens on, and that nobody is given by chance. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = randomInt(FIRST, BEHIND);
    if (await isFree(port)) return port;
  }
  throw new Error('no free port');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
