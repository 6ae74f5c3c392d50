import { describe, expect, it } from 'vitest';
import { eventConfig } from './event.settings.ts';

type Values = Parameters<typeof eventConfig>[0];
const values = (changes: Partial<Values> = {}): Values => ({
  eventsKeepDays: 90,
  natsUrl: undefined,
  natsStream: 'PORTCULLIS',
  natsReplicas: 1,
  natsCredentials: undefined,
  natsCaFile: undefined,
  natsCertFile: undefined,
  natsKeyFile: undefined,
  ...changes,
});

describe('the settings of NATS', () => {
  it('are none where there is no URL', () => {
    expect(eventConfig(values()).nats).toBeUndefined();
  });

  it.each(['nats://localhost:4222', 'nats://127.0.0.1:4222', 'nats://[::1]:4222', 'tls://nats.example:4222'])(
    'take %s',
    (natsUrl) => {
      expect(eventConfig(values({ natsUrl })).nats?.url).toBe(natsUrl);
    },
  );

  it.each([
    ['a server over the network in the clear', { natsUrl: 'nats://nats.example:4222' }],
    ['a server that is only called loopback', { natsUrl: 'nats://127.0.0.1.example:4222' }],
    ['credentials in the URL', { natsUrl: 'tls://user:word@nats.example:4222' }],
    ['credentials without a URL', { natsCredentials: '/etc/nats.creds' }],
    ['a certificate without its key', { natsUrl: 'tls://nats.example', natsCertFile: '/etc/cert.pem' }],
  ])('refuse %s', (_, changes) => {
    expect(() => eventConfig(values(changes))).toThrow(/PORTCULLIS_NATS_/);
  });
});
