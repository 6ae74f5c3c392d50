import { existsSync } from 'node:fs';
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { type Answer, expectAnswer } from '../kit/client.ts';
import { type Account, addMember, setUp, type SignedIn, signIn } from '../kit/tenancy.ts';

const BROWSER = '/usr/bin/chromium';
/** Of the browser, for whatever is waited for in it. */
const GIVE_UP_MS = 120_000;
const missing = !existsSync(BROWSER);
if (missing) console.warn(`skipped: passkeys in a real browser (${BROWSER} is not here)`);

/** What the browser answers, and the name of the error where it refuses. */
interface Done {
  readonly answer?: object;
  readonly refused?: string;
}

/**
 * Passkeys as Chromium makes them, with an authenticator that the DevTools protocol (domain WebAuthn) puts in its
 * place: the real counterpart of what the specs in the process do with an authenticator of our own.
 */
describe.skipIf(missing)('passkeys in a browser', () => {
  let product: Product;
  let browser: Browser;
  let page: Page;
  let devtools: CDPSession;
  let authenticatorId: string;
  let admin: SignedIn;
  let people = 0;

  beforeAll(async () => {
    product = await startProduct({ publicHost: 'localhost' });
    admin = await signIn(product, await setUp(product), 'acme');
    browser = await chromium.launch({
      executablePath: BROWSER,
      timeout: GIVE_UP_MS,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
    });
  });
  afterAll(async () => {
    await browser?.close();
    await disposeAll([product]);
  });
  beforeEach(async () => {
    const context = await browser.newContext();
    context.setDefaultTimeout(GIVE_UP_MS);
    page = await context.newPage();
    await page.goto(`http://localhost:${product.port}/health`);
    devtools = await context.newCDPSession(page);
    await devtools.send('WebAuthn.enable');
    ({ authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        ctap2Version: 'ctap2_1',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    }));
    return () => context.close();
  });

  /** As text, for what runs in the page is checked against no types of ours. */
  const ceremony = (verb: 'create' | 'get', read: string, options: object): Promise<Done> =>
    page.evaluate<Done>(`(async () => {
      try {
        const publicKey = PublicKeyCredential.${read}(${JSON.stringify(options)});
        return { answer: (await navigator.credentials.${verb}({ publicKey })).toJSON() };
      } catch (error) {
        return { refused: error.name };
      }
    })()`);
  const create = (options: object) => ceremony('create', 'parseCreationOptionsFromJSON', options);
  const get = (options: object) => ceremony('get', 'parseRequestOptionsFromJSON', options);

  async function newPerson(): Promise<{ account: Account; session: SignedIn }> {
    people += 1;
    const account = await addMember(product, admin, `person-${people}`);
    return { account, session: await signIn(product, account) };
  }

  async function begin(session: SignedIn) {
    const as = { token: session.accessToken };
    return expectAnswer(await product.api.post('/auth/factors/passkeys', undefined, as), 200);
  }

  function confirm(session: SignedIn, challengeId: string, attestation: unknown): Promise<Answer> {
    const body = { challengeId, attestation };
    return product.api.post('/auth/factors/passkeys/confirm', body, { token: session.accessToken });
  }

  async function register(session: SignedIn) {
    const begun = await begin(session);
    const { answer } = await create(begun.passkey);
    return expectAnswer(await confirm(session, begun.challengeId, answer), 201).factor;
  }

  async function challenge() {
    return expectAnswer(await product.api.post('/auth/login/passkey', {}), 200).challenge;
  }

  function verify(challengeId: string, assertion: unknown): Promise<Answer> {
    return product.api.post('/auth/login/verify', { challengeId, method: 'passkey', assertion });
  }

  async function lastReason(): Promise<string> {
    const path = `/orgs/${admin.organization.id}/audit/events?action=auth.sign_in_refused&limit=1`;
    return expectAnswer(await product.api.get(path, { token: admin.accessToken }), 200).items[0].reason;
  }

  it('are registered, and sign in with nothing typed', async () => {
    const { session, account } = await newPerson();
    const factor = await register(session);
    expect(factor).toMatchObject({ kind: 'passkey', transports: ['internal'] });
    const { id, passkey } = await challenge();
    expect(passkey.allowCredentials).toEqual([]);
    const { answer } = await get(passkey);
    const tokens = expectAnswer(await verify(id, answer), 200);
    expect(tokens.user.email).toBe(account.email);
    expect(tokens.session).toMatchObject({ assurance: 'aal2' });
    expect(tokens.session.authMethods).toContain('user');
    expectAnswer(await product.api.get('/auth/me', { token: tokens.accessToken }), 200);
    expectAnswer(await verify(id, answer), 401, 'auth.invalid_challenge');
  });

  it('are the second step beside a password', async () => {
    const { session, account } = await newPerson();
    await register(session);
    const login = await product.api.post('/auth/login', { email: account.email, password: account.password });
    const { challenge: second } = expectAnswer(login, 401, 'auth.mfa_required').data;
    const { answer } = await get(second.passkey);
    const tokens = expectAnswer(await verify(second.id, answer), 200);
    expect(tokens.session.authMethods).toEqual(expect.arrayContaining(['pwd', 'user', 'mfa']));
  });

  it('are not made twice on one authenticator', async () => {
    const { session } = await newPerson();
    await register(session);
    expect(await create((await begin(session)).passkey)).toEqual({ refused: 'InvalidStateError' });
  });

  it('without user verification are refused, at both ends', async () => {
    const { session } = await newPerson();
    await register(session);
    const first = await challenge();
    await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
    // The browser keeps what we ask for.
    expect((await get(first.passkey)).refused).toBe('NotAllowedError');
    // A browser that does not.
    const lax = { ...first.passkey, userVerification: 'discouraged' };
    const { answer } = await get(lax);
    expectAnswer(await verify(first.id, answer), 401, 'auth.factor_refused');
    expect(await lastReason()).toBe('wrong_assertion');
    const begun = await begin((await newPerson()).session);
    expect((await create(begun.passkey)).refused).toBeDefined();
    await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
    expectAnswer(await verify(first.id, (await get(first.passkey)).answer), 200);
  });

  it('made without user verification are not taken', async () => {
    const { session } = await newPerson();
    const begun = await begin(session);
    // A key that can tell presence, and nobody from anybody.
    await devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
    const options = { protocol: 'ctap2', transport: 'usb', hasUserVerification: false } as const;
    await devtools.send('WebAuthn.addVirtualAuthenticator', { options });
    const selection = {
      ...begun.passkey.authenticatorSelection,
      userVerification: 'discouraged',
      residentKey: 'discouraged',
      requireResidentKey: false,
    };
    const { answer } = await create({ ...begun.passkey, authenticatorSelection: selection });
    expect(answer).toBeDefined();
    expectAnswer(await confirm(session, begun.challengeId, answer), 401, 'auth.factor_refused');
  });

  it('that were cloned are refused once the other copy was used', async () => {
    const { session } = await newPerson();
    await register(session);
    const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
    const [copy] = credentials;
    for (let n = 0; n < 2; n += 1) {
      const { id, passkey } = await challenge();
      expectAnswer(await verify(id, (await get(passkey)).answer), 200);
    }
    await devtools.send('WebAuthn.clearCredentials', { authenticatorId });
    await devtools.send('WebAuthn.addCredential', { authenticatorId, credential: copy! });
    const { id, passkey } = await challenge();
    expectAnswer(await verify(id, (await get(passkey)).answer), 401, 'auth.factor_refused');
    expect(await lastReason()).toBe('cloned_authenticator');
  });

  it('answered at another origin are refused, by the browser or by us', async () => {
    const { session } = await newPerson();
    await register(session);
    const { id, passkey } = await challenge();
    await page.goto(`http://127.0.0.1:${product.port}/health`);
    expect((await get(passkey)).refused).toBe('SecurityError');
    await page.goto(`http://evil.localhost:${product.port}/health`);
    const elsewhere = await get(passkey);
    console.info(`at another origin of the same relying party: ${elsewhere.refused ?? 'answered'}`);
    if (elsewhere.answer) expectAnswer(await verify(id, elsewhere.answer), 401, 'auth.factor_refused');
    await page.goto(`http://localhost:${product.port}/health`);
    // For another relying party the browser has no credential of ours, and does not even ask.
    expect((await get({ ...passkey, rpId: 'example.com' })).refused).toBe('SecurityError');
    expectAnswer(await verify(id, (await get(passkey)).answer), 200);
  });
});
