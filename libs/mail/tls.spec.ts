import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JobFacts } from '#jobs';
import { type MailServer, startMailServer } from '../../test/kit/mail-server.ts';
import { MailConfig } from './mail.config.ts';
import { MailDelivery } from './mail-delivery.ts';

/** A certificate that nobody vouches for. */
function selfSigned(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-tls-'));
  try {
    const files = ['-keyout', join(folder, 'key'), '-out', join(folder, 'cert')];
    const subject = ['-subj', '/CN=mail.example', '-addext', 'subjectAltName=IP:127.0.0.1,IP:127.0.0.2'];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...files, ...subject],
      {
        stdio: 'ignore',
      },
    );
    return {
      key: readFileSync(join(folder, 'key'), 'utf8'),
      cert: readFileSync(join(folder, 'cert'), 'utf8'),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

let tls: { key: string; cert: string };
let server: MailServer;
beforeAll(() => {
  tls = selfSigned();
});
afterEach(() => server.close());

const job: JobFacts = { id: '01890000-0000-7000-8000-000000000000', attempt: 0 };
const message = {
  template: 'lockout',
  to: 'anna@x.example',
  data: { at: '2026-11-22T05:48:00Z', ip: '192.0.2.7' },
  at: '2026-11-22T05:48:00Z',
} as const;

/** Tries to deliver by this URL; answers the code it failed with. */
async function deliver(url: string, allowPlain = false): Promise<string> {
  const from = { name: '', address: 'noreply@x.example' };
  try {
    await new MailDelivery(new MailConfig(url, from, allowPlain)).deliver(message, job);
    return 'delivered';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('a mail server', () => {
  it('with a certificate that nobody vouches for gets no mail by TLS', async () => {
    server = await startMailServer({ secure: true, ...tls });
    expect(await deliver(server.url)).toMatch(/^smtp\.(ESOCKET|ETLS|ECONNECTION)$/);
    expect(server.mails()).toEqual([]);
  });

  // 127.0.0.2 is not a name of loopback that counts, so it stands for the network.
  it('with a certificate that nobody vouches for gets no mail by STARTTLS', async () => {
    server = await startMailServer({ host: '127.0.0.2', ...tls });
    expect(await deliver(server.url)).toMatch(/^smtp\.(ESOCKET|ETLS)$/);
    expect(await deliver(server.url, true)).toMatch(/^smtp\.(ESOCKET|ETLS)$/);
    expect(server.mails()).toEqual([]);
  });

  it('over the network that offers no TLS gets mail only where that is allowed', async () => {
    server = await startMailServer({ host: '127.0.0.2' });
    expect(await deliver(server.url)).toBe('smtp.ETLS_500');
    expect(server.mails()).toEqual([]);
    expect(await deliver(server.url, true)).toBe('delivered');
    expect(server.mails()).toHaveLength(1);
  });

  it('that asks for a password gets the one of the URL, and no mail without it', async () => {
    server = await startMailServer({
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) =>
        username === 'us@er' && password === 'p/w' ? done(null, { user: 'x' }) : done(new Error('no')),
    });
    const url = new URL(server.url);
    expect(await deliver(server.url)).toBe('smtp.EENVELOPE_530');
    url.username = 'us%40er';
    url.password = 'wrong';
    expect(await deliver(url.href)).toBe('smtp.EAUTH_535');
    url.password = 'p%2Fw';
    expect(await deliver(url.href)).toBe('delivered');
  });

  it('that is not there is an error of the connection', async () => {
    server = await startMailServer();
    expect(await deliver('smtp://127.0.0.1:1')).toBe('smtp.ESOCKET');
  });
});
