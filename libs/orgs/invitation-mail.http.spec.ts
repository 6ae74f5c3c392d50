import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AppInProcess, expectStatus, owner, startApp } from '../../test/kit/app-in-process.ts';
import { type MailServer, startMailServer } from '../../test/kit/mail-server.ts';

let server: MailServer;
let app: AppInProcess;

beforeAll(async () => {
  server = await startMailServer();
  app = await startApp({ smtp: server.url });
});
afterAll(async () => {
  await app.close();
  await server.close();
});

const ada = { email: 'ada@people.example', name: 'Ada', password: 'slow green harbour candle 4' };

it('an invitation goes to the invited person by mail, and nowhere where it was not made', async () => {
  const admin = await app.signIn(owner, 'acme');
  const path = `/orgs/${admin.organization.id}/invitations`;
  const ask = { token: admin.accessToken };
  const none = { email: 'nobody@people.example', role: 'none' };
  expectStatus(await app.post(path, none, ask), 400, 'org.role_not_found');
  const request = { email: ada.email.toUpperCase(), role: 'viewer' };
  const { token, url, mailed } = expectStatus(await app.post(path, request, ask), 201);
  expect(mailed).toBe(true);
  const mail = await server.waitFor(({ to }) => to[0] === ada.email);
  expect(mail.text).toContain(url);
  expect(mail.text).toContain(owner.name);
  expect(mail.subject).toContain('Acme');
  // The owner is told of the device they sign in from.
  expect(server.mails().filter(({ to }) => !to.includes(owner.email))).toHaveLength(1);
  // Neither the job nor the log of the process holds the token as it is.
  const stored = await app.sql('SELECT * FROM pgboss.job');
  expect(stored.length).toBeGreaterThan(0);
  expect(JSON.stringify(stored) + app.log.join('')).not.toContain(token);
  const { name, password } = ada;
  expectStatus(await app.post('/auth/invitations/accept', { token, name, password }), 201);
});

it('and so does the invitation of the owner of a new tenant', async () => {
  const operator = await app.signIn(owner, 'platform');
  const request = { name: 'Globex', slug: 'globex', owner: { email: 'gus@people.example' } };
  const { invitation } = expectStatus(await app.post('/orgs', request, { token: operator.accessToken }), 201);
  const mail = await server.waitFor(({ to }) => to[0] === 'gus@people.example');
  expect(mail.subject).toContain('Globex');
  expect(mail.text).toContain(invitation.url);
});
