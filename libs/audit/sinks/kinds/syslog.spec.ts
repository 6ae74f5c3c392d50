import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Egress } from '#egress';
import { SystemClock } from '#kernel';
import type { SinkEvent } from '../delivery.ts';
import { SyslogReceiver } from './syslog.ts';

const event = (pos: number): SinkEvent => ({
  org: 'org',
  pos,
  id: `event-${pos}`,
  time: '2026-01-01T00:00:00.000Z',
  action: 'org.updated',
  severity: 1,
  leafHash: 'ab',
  line: `{"pos":${pos}}`,
});
const going = new AbortController().signal;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A receiver of ours, connected to a server that does `heard` with each connection. */
async function connectedTo(heard: (socket: Socket) => void): Promise<SyslogReceiver> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    closing.push(() => socket.destroy());
    heard(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const receiver = new SyslogReceiver({
    sinkId: 'sink',
    orgId: 'org',
    logOrgId: 'org',
    format: 'native',
    settings: { host: '127.0.0.1', port, tls: false },
    egress: { check: async () => ({ address: '127.0.0.1', family: 4 }) } as unknown as Egress,
    clock: new SystemClock(),
    timeoutMs: 5_000,
    fileDir: undefined,
    secret: async () => undefined,
  });
  closing.push(() => receiver.close());
  return receiver;
}

const delivered = (receiver: SyslogReceiver, pos: number): Promise<void> =>
  receiver.deliver([event(pos)], going);

describe('what a connection to a syslog receiver has taken', () => {
  it('is in doubt at first, while more may be sent, and certain when nobody has closed it', async () => {
    let heard = '';
    const receiver = await connectedTo((socket) => socket.on('data', (chunk) => (heard += chunk.toString())));
    expect(receiver.inDoubt).toBe(false);
    await delivered(receiver, 1);
    expect(receiver.inDoubt).toBe(true);
    await delivered(receiver, 2);
    await receiver.certain(going);
    expect(receiver.inDoubt).toBe(false);
    expect(heard).toMatch(/"pos":1\}.*"pos":2\}/s);
    await delivered(receiver, 3);
    expect(receiver.inDoubt).toBe(false);
  });

  it('is never certain where the receiver closes after it has taken the first', async () => {
    const receiver = await connectedTo((socket) => socket.once('data', () => socket.end()));
    await delivered(receiver, 1);
    await expect(receiver.certain(going)).rejects.toMatchObject({ code: 'connection_lost' });
    await expect(delivered(receiver, 2)).rejects.toMatchObject({ code: 'connection_lost' });
  });

  it('waits no longer than whoever asks', async () => {
    const receiver = await connectedTo((socket) => socket.resume());
    await delivered(receiver, 1);
    await expect(receiver.certain(AbortSignal.abort(new Error('enough')))).rejects.toThrow();
  });
});
