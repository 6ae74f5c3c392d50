import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '#kernel';
import { makeCertificates } from '../../../test/kit/certificates.ts';
import { natsMissing, NatsServer } from '../../../test/kit/nats-server.ts';
import { quick } from '../../../test/kit/sinks.ts';
import { EventConfig, type NatsSettings } from './event.config.ts';
import { NatsDestination } from './nats-destination.ts';

if (natsMissing) console.log(`skipped: ${natsMissing}`);

/** Who may publish, and to whom we do. */
describe.skipIf(natsMissing !== undefined)('a NATS server that asks who we are', () => {
  let dir = '';
  let certificates: ReturnType<typeof makeCertificates>;
  let nats: NatsServer;
  const asked: string[] = [];

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'portcullis-nats-tls-'));
    certificates = makeCertificates(dir);
    const [cert, key] = [certificates.file('server.pem'), certificates.file('server.key')];
    nats = await NatsServer.start(
      `tls { cert_file: "${cert}", key_file: "${key}" }\nauthorization { user: relay, password: "right one" }`,
    );
    writeFileSync(join(dir, 'credentials'), 'relay:right one\n', { mode: 0o600 });
    writeFileSync(join(dir, 'open'), 'relay:right one\n', { mode: 0o644 });
  });
  afterAll(async () => {
    await nats.stop();
    rmSync(dir, { recursive: true });
  });

  const secrets = {
    resolve: (reference: string) => {
      asked.push(reference);
      return Promise.resolve({ reveal: () => 'relay:right one' });
    },
  };
  const attempt = async (changes: Partial<NatsSettings>): Promise<string> => {
    const settings = { url: nats.url.replace('nats:', 'tls:'), stream: 'TLS', replicas: 1, ...changes };
    const destination = new NatsDestination(new EventConfig(settings, 90, quick), secrets);
    try {
      const event = { orgId: newId(), id: newId(), type: 'portcullis.role.created', text: '{}' };
      const { stream } = await destination.publish(event, 0);
      return `stored in ${stream}`;
    } catch (error) {
      return (error as { code: string }).code;
    } finally {
      await destination.close();
    }
  };

  it('lets us in by TLS, and by a secret or a file', async () => {
    const { ca } = certificates;
    expect(await attempt({ ca, credentials: 'secret://nats#login' })).toBe('stored in TLS');
    expect(asked).toEqual(['secret://nats#login']);
    expect(await attempt({ ca, credentials: join(dir, 'credentials') })).toBe('stored in TLS');
  });

  it('gets nothing where it is not the one it should be', async () => {
    expect(await attempt({ credentials: 'secret://nats#login' })).toBe('connection_lost');
  });

  it('refuses who is not let in, which is no dead letter', async () => {
    expect(await attempt({ ca: certificates.ca })).toBe('unauthorized');
  });

  it('is not asked with credentials that others on the machine can read, or that are not there', async () => {
    const { ca } = certificates;
    expect(await attempt({ ca, credentials: join(dir, 'open') })).toBe('secret_unavailable');
    expect(await attempt({ ca, credentials: join(dir, 'nowhere') })).toBe('secret_unavailable');
  });
});
