import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { HeldSecrets, quick } from '../../../test/kit/sinks.ts';
import { SinkConfig } from './sink.config.ts';
import { SinkRelays } from './sink-relays.ts';

let product: AppInProcess;
let admin: SignedIn;
/** As a balancer with nothing behind it: takes what comes first, and closes. */
let closes = true;
let heard = '';
const sockets = new Set<Socket>();
const server: Server = createServer((socket) => {
  sockets.add(socket);
  socket.on('error', () => undefined);
  if (closes) socket.once('data', () => socket.end());
  else socket.on('data', (chunk) => (heard += chunk.toString()));
});

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  product = await startApp({
    sinks: new SinkConfig(undefined, quick),
    egressAllow: ['127.0.0.0/8'],
    sinkSecrets: new HeldSecrets({}),
  });
  admin = await product.addTenant('doubt', { ...owner, email: 'owner@doubt.example' });
});
afterAll(async () => {
  await product.close();
  for (const socket of sockets) socket.destroy();
  server.close();
});

it('counts nothing that a receiver took and did not keep the connection for, and sends it again', async () => {
  const token = { token: admin.accessToken };
  const path = `/orgs/${admin.organization.id}/audit/sinks`;
  const { port } = server.address() as AddressInfo;
  const settings = { host: '127.0.0.1', port, tls: false };
  product.app.get(SinkRelays).start(() => undefined);
  const made = await product.post(path, { name: 'syslog', kind: 'syslog', settings }, token);
  const { id } = expectStatus(made, 201);
  const delivery = async () => expectStatus(await product.get(`${path}/${id}`, token), 200).delivery;
  const failed = await until(async () => {
    const now = await delivery();
    return now.failures > 1 && now;
  });
  expect(failed.writtenPos).toBe(0);
  closes = false;
  const { headPos } = await until(async () => {
    const now = await delivery();
    return now.lag === 0 && now;
  });
  const positions = [...heard.matchAll(/"pos":(\d+),"leafHash"/g)].map(([, pos]) => Number(pos));
  expect(positions).toEqual(expect.arrayContaining(Array.from({ length: headPos }, (_, at) => at + 1)));
});
