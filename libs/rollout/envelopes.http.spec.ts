import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AppInProcess, expectStatus, owner } from '../../test/kit/app-in-process.ts';
import { startRollouts } from '../../test/kit/rollout-people.ts';
import { type RolloutKit, type Somebody, statement } from '../../test/kit/rollouts.ts';
import { type Envelope, keyIdOf, preAuthentication, signEnvelope } from './evidence/dsse.ts';

/** Envelopes that must not be taken, each sent over HTTP; and files whose content is not what was said. */
let app: AppInProcess;
let kit: RolloutKit;
let olga: Somebody;
let author: Somebody;
let rollout: { id: string; digest: string };
let scanner: Key;

interface Key {
  readonly id: string;
  readonly keyid: string;
  readonly privateKey: KeyObject;
}

const SCAN = 'https://example.org/scan/v1';
const gates = [{ name: 'scan', kind: 'evidence', predicateType: SCAN }];

beforeAll(async () => {
  ({ app, kit, olga, author } = await startRollouts());
  rollout = await kit.reviewed(author, await kit.policy(olga, { gates }), [await kit.target(olga)]);
  scanner = await keyOf('scanner');
});
afterAll(() => app.close());
afterEach(() => app.clock.reset());

async function keyOf(name: string, more: object = {}, at = kit.at, token = olga.token): Promise<Key> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const body = { name, publicKey: pem, ownerId: at === kit.at ? author.id : '', ...more };
  const { id } = expectStatus(await app.post(`${at}/evidence-keys`, body, { token }), 201);
  return { id, keyid: keyIdOf(publicKey), privateKey };
}
const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const passed = (change: object = {}): Record<string, unknown> => ({
  ...statement(rollout.digest, SCAN, app.clock.now()),
  ...change,
});
const signedBy = (key: Key, value: unknown = passed()): Envelope =>
  signEnvelope(bytesOf(value), key.privateKey, key.keyid);
const give = (envelope: unknown) => kit.post(author, '/evidence', { envelope });
const recorded = async (): Promise<number> => (await app.sql('SELECT 1 FROM portcullis.evidence')).length;
const verdict = async () => (await kit.gates(olga, rollout.id))['scan']?.verdict;

describe('an envelope', () => {
  /** What each is made of; the scanner is trusted. */
  const mutants: [string, string, () => unknown][] = [
    ['of another payload type', 'malformed', () => ({ ...signedBy(scanner), payloadType: 'text/plain' })],
    ['without a payload type', 'malformed', () => ({ ...signedBy(scanner), payloadType: undefined })],
    ['whose payload is a number', 'malformed', () => ({ ...signedBy(scanner), payload: 7 })],
    ['whose payload is no base64', 'unsigned', () => ({ ...signedBy(scanner), payload: '*' })],
    [
      'whose payload is base64 with something behind it',
      'unsigned',
      () => ({ ...signedBy(scanner), payload: `${signedBy(scanner).payload}=` }),
    ],
    ['without signatures', 'malformed', () => ({ ...signedBy(scanner), signatures: [] })],
    ['whose signatures are no list', 'malformed', () => ({ ...signedBy(scanner), signatures: {} })],
    ['with a signature that is none', 'malformed', () => ({ ...signedBy(scanner), signatures: [null] })],
    [
      'with two signatures of one key',
      'malformed',
      () => {
        const made = signedBy(scanner);
        return { ...made, signatures: [...made.signatures, ...made.signatures] };
      },
    ],
    [
      'with more signatures than anybody makes',
      'malformed',
      () => {
        const made = signedBy(scanner);
        const others = Array.from({ length: 10 }, (_, at) => ({ keyid: `other ${at}`, sig: 'YQ==' }));
        return { ...made, signatures: [...made.signatures, ...others] };
      },
    ],
    [
      'signed without the encoding before it',
      'unsigned',
      () => {
        const body = bytesOf(passed());
        const sig = sign(null, body, scanner.privateKey).toString('base64');
        return { ...signedBy(scanner), signatures: [{ keyid: scanner.keyid, sig }] };
      },
    ],
    [
      'signed as what it is not',
      'unsigned',
      () => {
        const body = bytesOf(passed());
        const other = preAuthentication('application/vnd.in-toto+JSON', body);
        const sig = sign(null, other, scanner.privateKey).toString('base64');
        return {
          ...signedBy(scanner),
          payload: body.toString('base64'),
          signatures: [{ keyid: scanner.keyid, sig }],
        };
      },
    ],
    [
      'whose key id names no key',
      'unsigned',
      () => ({
        ...signedBy(scanner),
        signatures: [{ ...signedBy(scanner).signatures[0], keyid: 'scanner' }],
      }),
    ],
    [
      'of a key that another organization trusts',
      'unsigned',
      async () => {
        const other = await app.addTenant('others', { ...owner, email: 'o@others.example' });
        const at = `/orgs/${other.organization.id}`;
        return signedBy(await keyOf('theirs', { ownerId: other.user.id }, at, other.accessToken));
      },
    ],
    [
      'of a key that was revoked',
      'unsigned',
      async () => {
        const gone = await keyOf('gone');
        expectStatus(await app.delete(`${kit.at}/evidence-keys/${gone.id}`, { token: olga.token }), 204);
        return signedBy(gone);
      },
    ],
    [
      'of a key that expired',
      'unsigned',
      async () => {
        const ending = await keyOf('ending', { expiresAt: new Date(Date.now() + 30_000).toISOString() });
        app.clock.advance(31_000);
        return signedBy(ending);
      },
    ],
    [
      'with the signature of another envelope',
      'unsigned',
      () => ({
        ...signedBy(scanner),
        signatures: signedBy(scanner, passed({ predicateType: 'urn:x' })).signatures,
      }),
    ],
    ['of no JSON', 'malformed', () => signEnvelope(Buffer.from('{'), scanner.privateKey, scanner.keyid)],
    [
      'of bytes that are no text',
      'malformed',
      () => signEnvelope(Buffer.from([0xff, 0xfe]), scanner.privateKey, scanner.keyid),
    ],
    [
      'that says one thing twice',
      'malformed',
      () => {
        const text = JSON.stringify(passed()).replace('"PASSED"', '"FAILED","verificationResult":"PASSED"');
        return signEnvelope(Buffer.from(text), scanner.privateKey, scanner.keyid);
      },
    ],
    ['of no statement', 'malformed', () => signedBy(scanner, { verificationResult: 'PASSED' })],
    [
      'of a statement of another version',
      'malformed',
      () => signedBy(scanner, passed({ _type: 'https://in-toto.io/Statement/v0.1' })),
    ],
    ['that speaks of nothing', 'malformed', () => signedBy(scanner, passed({ subject: [] }))],
    [
      'that speaks of what it names by another hash',
      'malformed',
      () => signedBy(scanner, passed({ subject: [{ name: 'x', digest: { sha512: 'a'.repeat(128) } }] })),
    ],
    [
      'whose predicate type is no URI',
      'malformed',
      () => signedBy(scanner, passed({ predicateType: 'scan' })),
    ],
    [
      'whose predicate type is Gitea’s',
      'malformed',
      () => signedBy(scanner, passed({ predicateType: 'urn:portcullis:predicate:gitea-review:v1' })),
    ],
    [
      'that holds the character nothing ends at',
      'malformed',
      () => signedBy(scanner, passed({ predicateType: 'urn:\0x' })),
    ],
    [
      'that was made in an hour from now',
      'malformed',
      () =>
        signedBy(scanner, statement(rollout.digest, SCAN, new Date(app.clock.now().getTime() + 3_600_000))),
    ],
  ];

  it.each(mutants)('%s is refused as %s, and nothing is kept', async (_, reason, make) => {
    const mutant = await make();
    const before = await recorded();
    expectStatus(await give(mutant), 400, `rollout.evidence_${reason}`);
    expect(await recorded()).toBe(before);
    app.clock.reset();
    expect(await verdict()).toBe('inconclusive');
  });

  it.each([null, 'x', 7, [], [{}]])(
    'that is no object (%j) is refused before it is looked at',
    async (wrong) => {
      expectStatus(await give(wrong), 400, 'http.invalid_input');
      expectStatus(await kit.post(author, '/evidence', { statement: wrong }), 400, 'http.invalid_input');
    },
  );

  it('and a statement at once, or neither, is refused', async () => {
    const both = { envelope: signedBy(scanner), statement: passed() };
    for (const wrong of [both, {}])
      expectStatus(await kit.post(author, '/evidence', wrong), 400, 'rollout.evidence_malformed');
  });

  it('of another plan, or of another kind, is taken and opens nothing; the right one does', async () => {
    const elsewhere = statement(`sha256:${'1'.repeat(64)}`, SCAN, app.clock.now());
    expectStatus(await give(signedBy(scanner, elsewhere)), 201);
    expectStatus(
      await give(signedBy(scanner, passed({ predicateType: 'https://example.org/scan/v2' }))),
      201,
    );
    expect(await verdict()).toBe('inconclusive');
    expectStatus(await give(signedBy(scanner)), 201);
    expect(await verdict()).toBe('pass');
  });

  it('stays evidence when its key has expired since, and not when it was revoked', async () => {
    const ending = await keyOf('short', { expiresAt: new Date(Date.now() + 30_000).toISOString() });
    expectStatus(await give(signedBy(ending)), 201);
    app.clock.advance(31_000);
    expect(await verdict()).toBe('pass');
    expectStatus(await give(signedBy(ending, passed({ more: 1 }))), 400, 'rollout.evidence_unsigned');
    app.clock.reset();
    expectStatus(await app.delete(`${kit.at}/evidence-keys/${ending.id}`, { token: olga.token }), 204);
    expect(await verdict()).toBe('inconclusive');
  });

  it('is asked of a key that ends ahead of now', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const key = { name: 'late', publicKey: pem, ownerId: author.id, expiresAt: new Date().toISOString() };
    expectStatus(await kit.post(olga, '/evidence-keys', key), 400, 'rollout.evidence_key_bad');
  });
});

describe('an attachment', () => {
  const kept = async (): Promise<number> =>
    (await app.sql('SELECT 1 FROM portcullis.evidence_attachments')).length;
  const attach = (content: string | Buffer, more: object = {}) =>
    kit.post(author, '/evidence-attachments', {
      mediaType: 'text/plain',
      content: Buffer.isBuffer(content) ? content.toString('base64') : content,
      ...more,
    });

  it('of another type, size or hash than it may have is refused before anything is kept', async () => {
    const before = await kept();
    const png = Buffer.from('89504e470d0a1a0a', 'hex');
    for (const [content, more, path] of [
      [Buffer.from('<html>'), { mediaType: 'text/html' }, 'mediaType'],
      [Buffer.from('no picture'), { mediaType: 'image/png' }, 'content'],
      [png, { mediaType: 'application/pdf' }, 'content'],
      [png, { mediaType: 'text/plain' }, 'content'],
      [Buffer.from('a\0b'), {}, 'content'],
      [Buffer.from('{'), { mediaType: 'application/vnd.in-toto+json' }, 'content'],
      [Buffer.alloc(180 * 1024 + 1, 'x'), {}, 'content'],
      ['', {}, 'content'],
      ['YQ', { sha256: '0'.repeat(64) }, 'sha256'],
      ['Y*', {}, 'content'],
    ] as const) {
      const { errors } = expectStatus(await attach(content, more), 400);
      expect(errors.map((one: { path: string }) => one.path)).toEqual([path]);
    }
    expect(await kept()).toBe(before);
  });

  it('of the hash that was said is kept, once', async () => {
    // SHA-256 of "abc" (FIPS 180-4, appendix B).
    const sha256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    const before = await kept();
    for (let round = 0; round < 2; round += 1)
      expect(expectStatus(await attach(Buffer.from('abc'), { sha256 }), 201)).toMatchObject({
        sha256,
        bytes: 3,
      });
    expect(await kept()).toBe(before + 1);
    expectStatus(await attach(Buffer.alloc(180 * 1024, 'x')), 201);
  });
});
