import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../test/kit/app-in-process.ts';
import { SigningKeys } from './signing/signing-keys.ts';

/** Tokens are taken apart and forged with Node's own crypto: the library that made them has no say here. */
let product: AppInProcess;
let signedIn: SignedIn;
let privateKey: KeyObject;
let jwk: JsonWebKey & { kid: string };

beforeAll(async () => {
  product = await startApp();
  signedIn = await product.signIn(owner);
  ({ privateKey } = await product.app.get(SigningKeys).current());
  jwk = expectStatus(await product.get('/.well-known/jwks.json'), 200).keys[0];
});
afterAll(() => product.close());

type Part = Record<string, unknown>;
const encode = (part: Part): string => Buffer.from(JSON.stringify(part)).toString('base64url');
const decode = (text: string): Part => JSON.parse(Buffer.from(text, 'base64url').toString()) as Part;
const partsOf = (token: string) => {
  const [header = '', payload = '', signature = ''] = token.split('.');
  return { header: decode(header), payload: decode(payload), signed: `${header}.${payload}`, signature };
};

/** A token like the one of the sign-in but for these parts, signed by the product's own key. */
function forge(header: Part = {}, payload: Part = {}, key: KeyObject = privateKey): string {
  const real = partsOf(signedIn.accessToken);
  const text = `${encode({ ...real.header, ...header })}.${encode({ ...real.payload, ...payload })}`;
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

const me = (token: string): Promise<Answered> => product.get('/auth/me', { token });
const now = (): number => Math.floor(Date.now() / 1_000);

describe('an access token', () => {
  it('has the claims of the contract, and a type that no other token has', () => {
    const { header, payload } = partsOf(signedIn.accessToken);
    expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: jwk.kid });
    expect(Object.keys(payload).sort()).toEqual(
      ['acr', 'amr', 'aud', 'auth_time', 'exp', 'iat', 'iss', 'jti', 'org', 'sid', 'sub'].sort(),
    );
    expect(payload).toMatchObject({
      aud: 'portcullis',
      sub: signedIn.user.id,
      sid: signedIn.session.id,
      org: signedIn.organization.id,
      amr: ['pwd'],
      acr: 'aal1',
    });
    expect(payload['iss']).toMatch(/^urn:uuid:[0-9a-f-]{36}$/);
    const lifetime = Number(payload['exp']) - Number(payload['iat']);
    expect(lifetime).toBeGreaterThan(0);
    expect(lifetime).toBeLessThanOrEqual(300);
    expect(signedIn.expiresIn).toBe(lifetime);
    expect(Math.abs(Number(payload['auth_time']) - now())).toBeLessThan(60);
  });

  it('is verified by the published key, which holds nothing private', () => {
    expect(jwk).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' });
    expect(Object.keys(jwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const { signed, signature } = partsOf(signedIn.accessToken);
    const check = (text: string): boolean =>
      verify(
        'sha256',
        Buffer.from(text),
        { key, dsaEncoding: 'ieee-p1363' },
        Buffer.from(signature, 'base64url'),
      );
    expect(check(signed)).toBe(true);
    expect(check(`${signed}x`)).toBe(false);
  });

  it('is another one at each refresh', async () => {
    const again = await product.signIn(owner);
    const next = expectStatus(await product.post('/auth/refresh', { refreshToken: again.refreshToken }), 200);
    expect(partsOf(next.accessToken).payload['jti']).not.toBe(partsOf(again.accessToken).payload['jti']);
  });

  it('is accepted as it was issued, so that what follows is refused for its one difference', async () => {
    expectStatus(await me(signedIn.accessToken), 200);
    expectStatus(await me(forge()), 200);
  });
});

describe('a forged access token is refused', () => {
  const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicPem = (): string =>
    createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string;
  /** HS256 with the public key as the secret: the confusion of RFC 8725 section 2.1. */
  const confused = (secret: string): string => {
    const text = `${encode({ ...partsOf(forge()).header, alg: 'HS256' })}.${encode(partsOf(forge()).payload)}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
  const unsigned = (alg: string): string => {
    const { payload } = partsOf(forge());
    return `${encode({ alg, typ: 'at+jwt', kid: jwk.kid })}.${encode(payload)}.`;
  };

  const forgeries: [string, () => string][] = [
    ['with alg none', () => unsigned('none')],
    ['with alg None', () => unsigned('None')],
    ['without alg', () => `${encode({ typ: 'at+jwt', kid: jwk.kid })}.${encode(partsOf(forge()).payload)}.`],
    ['with HS256 and the public key in PEM', () => confused(publicPem())],
    ['with HS256 and the public key as JWK', () => confused(JSON.stringify(jwk))],
    ['by a foreign key under our key id', () => forge({}, {}, foreign.privateKey)],
    ['with a foreign key id', () => forge({ kid: 'unknown' })],
    ['with a key id that is a path', () => forge({ kid: '../../etc/passwd' })],
    ['without a key id', () => forge({ kid: undefined })],
    [
      'with a key of its own in the header',
      () => forge({ jwk: foreign.publicKey.export({ format: 'jwk' }) }, {}, foreign.privateKey),
    ],
    ['of type JWT', () => forge({ typ: 'JWT' })],
    ['without a type', () => forge({ typ: undefined })],
    ['for another audience', () => forge({}, { aud: 'others' })],
    ['without an audience', () => forge({}, { aud: undefined })],
    ['by another issuer', () => forge({}, { iss: 'https://evil.example' })],
    ['without an issuer', () => forge({}, { iss: undefined })],
    ['that is not valid yet', () => forge({}, { nbf: now() + 3_600 })],
    ['with a session that is no id', () => forge({}, { sid: 'x' })],
    ['with a session that is a list', () => forge({}, { sid: [signedIn.session.id] })],
    ['without a session', () => forge({}, { sid: undefined })],
    ['with a session that there is not', () => forge({}, { sid: '0190a6c4-0000-7000-8000-000000000001' })],
    ['without an expiry', () => forge({}, { exp: undefined })],
    ['with an expiry that is text', () => forge({}, { exp: String(now() + 60) })],
    ['with another organization', () => forge({}, { org: '0190a6c4-0000-7000-8000-000000000001' })],
    ['with another person', () => forge({}, { sub: '0190a6c4-0000-7000-8000-000000000001' })],
    ['with a signature cut short', () => forge().slice(0, -4)],
    [
      'with a signature in DER',
      () => {
        const { signed } = partsOf(forge());
        return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
      },
    ],
    [
      'with a changed payload',
      () => {
        const [header, payload, signature] = forge().split('.') as [string, string, string];
        return [header, encode({ ...decode(payload), acr: 'aal3' }), signature].join('.');
      },
    ],
    ['of nothing', () => '..'],
  ];

  it.each(forgeries)('%s', async (_what, make) => {
    const answer = await me(make());
    expect(answer.status).toBe(401);
    expect(answer.body.code).toMatch(/^auth\.(invalid_token|session_ended|token_expired)$/);
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"');
  });

  it('when it is too old, and says so', async () => {
    expectStatus(await me(forge({}, { iat: now() - 400, exp: now() - 1 })), 401, 'auth.token_expired');
  });

  it('when it lives longer than any we issue', async () => {
    expectStatus(await me(forge({}, { exp: now() + 86_400 })), 401, 'auth.invalid_token');
  });

  it('also when the real one was just accepted and is remembered', async () => {
    expectStatus(await me(signedIn.accessToken), 200);
    const { signed } = partsOf(signedIn.accessToken);
    expectStatus(await me(`${signed}.${'A'.repeat(86)}`), 401, 'auth.invalid_token');
  });

  it('and the remembered one when its time is over', async () => {
    const own = await product.signIn(owner);
    expectStatus(await me(own.accessToken), 200);
    product.clock.advance(280_000);
    expectStatus(await me(own.accessToken), 200);
    product.clock.advance(21_000);
    expectStatus(await me(own.accessToken), 401, 'auth.token_expired');
    product.clock.reset();
  });
});
