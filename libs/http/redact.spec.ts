import { mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { computing } from '../../test/kit/stopwatch.ts';
import { Fault } from '#kernel';
import { AppLogger, batchedSink } from './app-logger.ts';
import { redact, redactText } from './redact.ts';

const JWT = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlLXBsYW50ZWQ';
const SECRETS = [JWT, 'pcr_planted-refresh_0123456789', 'pck_01h2xcejqtf2nbrexx3vqjhp41_plantedsecret'];

describe('redaction', () => {
  it.each([
    ...SECRETS,
    'postgres://portcullis:planted@db.internal:5432/app',
    'postgresql://u:p%40planted@h/x',
    'Authorization: Bearer planted.opaque-token',
    'Basic cGxhbnRlZDpwbGFudGVk',
    'password=planted',
    '{"password":"planted one"}',
    "api_key: 'planted'",
    '-----BEGIN PRIVATE KEY-----\nplantedAAAA\n-----END PRIVATE KEY-----',
  ])('takes %s out of a text', (secret) => {
    const clean = redactText(`before ${secret} after`);
    expect(clean).not.toMatch(/planted|cGxhbnRlZ/);
    expect(clean).toContain('[redacted]');
    expect(clean).toContain('before');
  });

  it('leaves ordinary words alone', () => {
    for (const text of [
      'route /api/v1/orgs/:orgId',
      'the pc is slow',
      'eyJ',
      'http://127.0.0.1:8080/x',
      'GET /x 200',
    ]) {
      expect(redactText(text)).toBe(text);
    }
  });

  it('takes secrets out of objects by the name of the property and by the form of the value', () => {
    const clean = JSON.stringify(
      redact({
        user: 'ann',
        newPassword: 'planted',
        nested: [{ refreshToken: 'planted', 'x-api-key': 'planted', note: `see ${JWT}` }],
        headers: { cookie: 'planted', authorization: 'planted' },
        bytes: Buffer.from('planted'),
      }),
    );
    expect(clean).not.toMatch(/planted|eyJ/);
    expect(clean).toContain('ann');
  });

  it('takes of an error only what is listed, for drivers hang queries and rows on theirs', () => {
    const driver = Object.assign(new Error('duplicate key'), {
      code: '23505',
      detail: 'Key (email)=(planted@acme.test) already exists.',
      parameters: ['planted'],
      query: 'insert planted',
    });
    const fault = new Fault('x.y', 'internal', 'Public.', {
      cause: driver,
      detail: `the token ${JWT} failed`,
    });
    const clean = JSON.stringify(redact(fault));
    expect(clean).not.toMatch(/planted|eyJ/);
    expect(clean).toContain('23505');
    expect(clean).toContain('the token [redacted] failed');
  });

  it('takes linear time over long hostile texts', () => {
    for (const text of [
      'a://'.repeat(5000),
      'eyJaaaa.'.repeat(4000),
      'password='.repeat(4000),
      '-----BEGIN '.repeat(4000),
    ]) {
      expect(
        computing(() => redactText(text)),
        text.slice(0, 20),
      ).toBeLessThan(500);
    }
  });

  it('stands before every line of the application log', () => {
    const lines: string[] = [];
    const logger = new AppLogger({ write: (line) => lines.push(line) }, 'trace');
    for (const level of ['log', 'warn', 'error', 'debug', 'verbose', 'fatal'] as const) {
      logger[level](`text ${SECRETS.join(' ')}`, { password: 'planted' }, 'SomeContext');
      logger[level](new Error(`failed with ${JWT}`, { cause: new Error('postgres://a:planted@h/x') }));
      logger[level]({ token: 'planted' });
    }
    expect(lines).toHaveLength(18);
    for (const line of lines) {
      expect(line).not.toMatch(/planted|eyJ/);
      expect(JSON.parse(line)).toHaveProperty('time');
    }
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', context: 'SomeContext' });
  });

  it('survives what cannot be logged', () => {
    const lines: string[] = [];
    const logger = new AppLogger({
      write: (line) => lines.push(line),
      flushSync: () => {
        throw new Error('sonic boom is not ready yet');
      },
    });
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    expect(() => logger.error('round and round', loop, Symbol('x'), 10n)).not.toThrow();
    expect(lines).toHaveLength(1);
  });
});

it('the batched sink keeps lines back, and writes them when told', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'portcullis-log-')), 'app.log');
  const logger = new AppLogger(batchedSink(openSync(file, 'w')));
  logger.log('first');
  expect(readFileSync(file, 'utf8')).toBe('');
  logger.flush();
  expect(readFileSync(file, 'utf8')).toContain('"msg":"first"');
});
