import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decode,
  type Envelope,
  IN_TOTO,
  keyIdOf,
  preAuthentication,
  readPublicKey,
  signEnvelope,
  signerOf,
} from './dsse.ts';
import { readStatement, STATEMENT } from './statement.ts';

const pemOf = (key: { export(options: object): string | Buffer }): string =>
  key.export({ type: 'spki', format: 'pem' }).toString();
const pair = generateKeyPairSync('ed25519');
const trusted = readPublicKey(pemOf(pair.publicKey));
if (!trusted) throw new Error('the key of the specification is not read');
const keys = [trusted];
const body = Buffer.from('{"a":1}');
const envelope = signEnvelope(body, pair.privateKey, trusted.keyid);

describe('a DSSE envelope', () => {
  it('is signed over the encoding of the specification', () => {
    // protocol.md, "Test vectors".
    expect(preAuthentication('http://example.com/HelloWorld', Buffer.from('hello world')).toString()).toBe(
      'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
    );
    expect(preAuthentication('tüp', Buffer.from([0xff])).toString('latin1')).toBe('DSSEv1 4 tÃ¼p 1 ÿ');
  });

  it('may be signed by ECDSA over P-256', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const signed = preAuthentication(IN_TOTO, body);
    const key = readPublicKey(pemOf(publicKey));
    const made: Envelope = {
      payloadType: IN_TOTO,
      payload: body.toString('base64'),
      signatures: [{ keyid: key?.keyid ?? '', sig: sign('sha256', signed, privateKey).toString('base64') }],
    };
    expect(signerOf(made, key ? [key] : [])?.algorithm).toBe('ecdsa-p256');
  });

  it('holds by the key that signed it, and by no other', () => {
    expect(signerOf(envelope, keys)?.keyid).toBe(trusted.keyid);
    expect(signerOf(envelope, [])).toBeUndefined();
    const other = readPublicKey(pemOf(generateKeyPairSync('ed25519').publicKey));
    // A key that claims the id of another.
    expect(signerOf(envelope, other ? [{ ...other, keyid: trusted.keyid }] : [])).toBeUndefined();
  });

  it('holds no more once a byte of payload, type or signature is another', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('payload', 'sig'),
        fc.nat(1_000),
        fc.integer({ min: 1, max: 255 }),
        (part, at, by) => {
          const change = (text: string): string => {
            const bytes = Buffer.from(text, 'base64');
            const index = at % bytes.length;
            bytes[index] = (bytes[index] ?? 0) ^ by;
            return bytes.toString('base64');
          };
          const altered: Envelope =
            part === 'payload'
              ? { ...envelope, payload: change(envelope.payload) }
              : {
                  ...envelope,
                  signatures: envelope.signatures.map((one) => ({ ...one, sig: change(one.sig) })),
                };
          expect(signerOf(altered, keys)).toBeUndefined();
        },
      ),
    );
    expect(signerOf({ ...envelope, payloadType: 'application/json' }, keys)).toBeUndefined();
  });

  /** Signed by the trusted key over something else than the specification says. */
  const signedOver = (bytes: Buffer, change: Partial<Envelope> = {}): Envelope => ({
    ...envelope,
    ...change,
    signatures: [{ keyid: trusted.keyid, sig: sign(null, bytes, pair.privateKey).toString('base64') }],
  });
  const encoded = preAuthentication(IN_TOTO, body);
  const text = (value: string): Buffer => Buffer.from(value);

  it.each<[string, Envelope]>([
    ['the payload alone', signedOver(body)],
    ['the payload as base64', signedOver(text(envelope.payload))],
    ['the payload as base64, encoded', signedOver(preAuthentication(IN_TOTO, text(envelope.payload)))],
    ['another version of the encoding', signedOver(text(encoded.toString().replace('DSSEv1', 'DSSEv2')))],
    ['no name of the encoding', signedOver(encoded.subarray('DSSEv1 '.length))],
    ['another length of the type', signedOver(text(encoded.toString().replace(' 28 ', ' 29 ')))],
    ['another length of the payload', signedOver(text(encoded.toString().replace(' 7 ', ' 8 ')))],
    ['one byte more', signedOver(Buffer.concat([encoded, text('\n')]))],
    ['another type', signedOver(preAuthentication('application/json', body))],
    [
      'another type, which it names',
      signedOver(preAuthentication('application/json', body), { payloadType: 'application/json' }),
    ],
    [
      'the type in other letters, which it names',
      signedOver(preAuthentication(IN_TOTO.toUpperCase(), body), { payloadType: IN_TOTO.toUpperCase() }),
    ],
  ])('is refused where %s was signed', (_, mutant) => {
    expect(signerOf(signedOver(encoded), keys)?.keyid).toBe(trusted.keyid);
    expect(signerOf(mutant, keys)).toBeUndefined();
  });

  const [right] = envelope.signatures;
  const other = generateKeyPairSync('ed25519');
  const others = readPublicKey(pemOf(other.publicKey));
  if (!right || !others) throw new Error('nothing is signed');
  const theirs = signEnvelope(body, other.privateKey, others.keyid).signatures;
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const ecKey = readPublicKey(pemOf(ec.publicKey));
  if (!ecKey) throw new Error('the key is not read');
  const raw = sign('sha256', encoded, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });

  it.each<[string, Envelope['signatures']]>([
    ['names no key', [{ ...right, keyid: '' }]],
    ['names a key that is not known', [{ ...right, keyid: '0'.repeat(64) }]],
    ['names the key in other letters', [{ ...right, keyid: right.keyid.toUpperCase() }]],
    ['is of another key, under the name of this one', [{ keyid: right.keyid, sig: theirs[0]?.sig ?? '' }]],
    ['is of another key, under its own name', theirs],
    ['is empty', [{ ...right, sig: '' }]],
    ['is no base64', [{ ...right, sig: `${right.sig.slice(0, -2)}!!` }]],
    ['is cut off', [{ ...right, sig: Buffer.from(right.sig, 'base64').subarray(0, 63).toString('base64') }]],
    ['is hexadecimal', [{ ...right, sig: Buffer.from(right.sig, 'base64').toString('hex') }]],
    ['is two numbers where DER is asked for', [{ keyid: ecKey.keyid, sig: raw.toString('base64') }]],
    ['is of another algorithm', [{ ...right, keyid: ecKey.keyid }]],
    ['stands beside one of a trusted key that does not hold', [right, { ...right, keyid: ecKey.keyid }]],
    ['comes after one of a trusted key that does not hold', [{ ...right, keyid: ecKey.keyid }, right]],
  ])('is refused where the signature %s', (_, signatures) => {
    expect(signerOf({ ...envelope, signatures }, [trusted, ecKey])).toBeUndefined();
  });

  it('holds beside the signature of somebody who is not known', () => {
    const signatures = [...theirs, right];
    expect(signerOf({ ...envelope, signatures }, [trusted, ecKey])?.keyid).toBe(trusted.keyid);
  });

  it('is read with either alphabet of base64, and not where it is none', () => {
    expect(decode('-_8')).toEqual(decode('+/8='));
    expect(decode('-_8=')).toEqual(decode('+/8'));
    expect(decode('YWJj')?.toString()).toBe('abc');
    for (const wrong of [
      '',
      'a',
      'YQ=a',
      'Y Q==',
      'YR==',
      'YQ=',
      'YWJj=',
      'YWJj====',
      '-/8=',
      '+_8',
      'YQ==YQ==',
      ' YQ==',
      'YQ==\n',
    ])
      expect(decode(wrong), wrong).toBeUndefined();
  });

  it('has any bytes that were encoded for its payload', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
        const whole = Buffer.from(bytes);
        expect(decode(whole.toString('base64'))).toEqual(whole);
        expect(decode(whole.toString('base64url'))).toEqual(whole);
      }),
    );
  });
});

describe('a trusted key', () => {
  it('is a public one, of Ed25519 or P-256', () => {
    expect(
      readPublicKey(pemOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)),
    ).toBeUndefined();
    expect(
      readPublicKey(pemOf(generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey)),
    ).toBeUndefined();
    const secret = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(createPrivateKey(secret)).toBeDefined();
    expect(readPublicKey(secret)).toBeUndefined();
    expect(readPublicKey('x')).toBeUndefined();
    expect(keyIdOf(pair.publicKey)).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('a statement', () => {
  const good = {
    _type: STATEMENT,
    subject: [{ name: 'x', digest: { sha256: 'a'.repeat(64) } }],
    predicateType: 'https://slsa.dev/verification_summary/v1',
    predicate: {
      verifier: { id: 'ci' },
      timeVerified: '2026-11-22T00:00:00Z',
      verificationResult: 'PASSED',
    },
  };
  const within = (change: object): unknown => ({ ...good, predicate: { ...good.predicate, ...change } });

  it('passes only where it says PASSED', () => {
    expect(readStatement(good)).toMatchObject({ result: 'pass', subjects: ['a'.repeat(64)] });
    expect(readStatement(within({ verificationResult: 'FAILED' }))).toMatchObject({ result: 'fail' });
    for (const result of ['passed', '', undefined, true, ['PASSED'], 'toString', '__proto__'])
      expect(readStatement(within({ verificationResult: result }))).toMatchObject({ result: 'inconclusive' });
  });

  it('is refused where it lacks what it needs', () => {
    for (const wrong of [
      undefined,
      [],
      { ...good, _type: 'https://in-toto.io/Statement/v0.1' },
      { ...good, subject: [] },
      { ...good, subject: Array.from({ length: 101 }, () => good.subject[0]) },
      { ...good, subject: [{ digest: { sha256: 'A'.repeat(64) } }] },
      { ...good, subject: [{ digest: { sha1: 'a'.repeat(40) } }] },
      { ...good, predicateType: 'no uri' },
      { ...good, predicate: null },
      within({ verifier: 'me' }),
      within({ timeVerified: 'yesterday' }),
      within({ expiresAt: '2026-11-21T00:00:00Z' }),
    ])
      expect(typeof readStatement(wrong), JSON.stringify(wrong)).toBe('string');
  });
});
