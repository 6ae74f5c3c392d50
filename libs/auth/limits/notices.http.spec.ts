import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AppInProcess, expectStatus, owner, startApp } from '../../../test/kit/app-in-process.ts';
import { type MailServer, startMailServer } from '../../../test/kit/mail-server.ts';
import { defaultPolicy } from '../policy/org-policy.ts';

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
beforeEach(() => app.forgetAttempts());

const login = (more: object = {}, ip = '192.0.2.1', userAgent = 'curl/8.5.0') =>
  app.post(
    '/auth/login',
    { email: owner.email, password: owner.password, ...more },
    { ip, headers: { 'user-agent': userAgent } },
  );
const about = (text: string) => server.mails().filter((one) => one.text.includes(text));

describe('a person is told by mail', () => {
  it('of a sign-in from a device nothing like which was seen before, and of no other', async () => {
    const { deviceToken } = expectStatus(await login(), 200);
    const mail = await server.waitFor((one) => one.text.includes('192.0.2.1'));
    expect(mail.to).toEqual([owner.email]);
    expect(mail.text).toContain('curl');
    // Its token, or its looks, tell it; also from elsewhere while it shows its token.
    expectStatus(await login({ deviceToken }, '192.0.2.44'), 200);
    expectStatus(await login(), 200);
    expectStatus(await login({}, '192.0.2.2'), 200);
    await server.waitFor((one) => one.text.includes('192.0.2.2'));
    expect(about('192.0.2.1')).toHaveLength(1);
    expect(about('192.0.2.44')).toHaveLength(0);
  });

  it('once that guesses reached their limit, and not of a few', async () => {
    const { perDevice } = defaultPolicy.limits;
    for (let n = 0; n < perDevice - 1; n += 1)
      expectStatus(await login({ password: 'wrong wrong wrong' }, '198.51.100.1'), 401);
    for (let n = 0; n < perDevice + 3; n += 1)
      expectStatus(await login({ password: 'wrong wrong wrong' }, '198.51.100.2'), 401);
    const mail = await server.waitFor((one) => one.text.includes('198.51.100.2'));
    expect(mail.to).toEqual([owner.email]);
    expectStatus(await login({ password: 'wrong wrong wrong' }, '198.51.100.1'), 401);
    await server.waitFor((one) => one.text.includes('198.51.100.1'));
    expect(about('198.51.100.2')).toHaveLength(1);
  });
});
