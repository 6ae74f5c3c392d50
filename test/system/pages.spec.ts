import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';

const BROWSER = '/usr/bin/chromium';
const missing = !existsSync(BROWSER);
if (missing) console.warn(`skipped: the pages in a real browser (${BROWSER} is not here)`);

/** Of the browser, for whatever is waited for in it. */
const GIVE_UP_MS = 120_000;
const PASSWORD = 'quiet river stone lantern';

/**
 * The pages that are served, as a person meets them on a telephone that is set to dark: what they say, that nothing of
 * them is refused by their own policy, and that nobody has to scroll sideways.
 */
describe.skipIf(missing)('the pages in a browser', () => {
  let product: Product;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    product = await startProduct();
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
    context = await browser.newContext({ viewport: { width: 400, height: 800 }, colorScheme: 'dark' });
    context.setDefaultTimeout(GIVE_UP_MS);
    page = await context.newPage();
    complaints = [];
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('console', (line) => {
      // Answers of 4xx are told there too: they are what a form is told.
      if (line.type() === 'error' && !line.text().startsWith('Failed to load resource'))
        complaints.push(line.text());
    });
    return () => context.close();
  });

  const open = (path: string) => page.goto(`http://127.0.0.1:${product.port}${path}`);

  async function send(values: Record<string, string>): Promise<void> {
    for (const [name, value] of Object.entries(values)) await page.fill(`input[name="${name}"]`, value);
    await page.click('button');
  }

  const says = (text: string) => page.locator('#said', { hasText: text }).waitFor();

  /** Dark, within the width, and nothing of it refused. What runs in the page is text, checked against no types. */
  async function looksRight(): Promise<void> {
    expect(complaints).toEqual([]);
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(400);
    const dark = await page.evaluate<boolean>(`(() => {
      const { backgroundColor, colorScheme } = getComputedStyle(document.documentElement);
      const shades = backgroundColor.match(/[\\d.]+/g).map(Number);
      return shades[3] === 0 ? colorScheme.includes('dark') : Math.max(...shades.slice(0, 3)) < 80;
    })()`);
    expect(dark, 'dark, as the reader asked for').toBe(true);
  }

  it('set the product up, by the link that was printed', async () => {
    const answers = { 'organization.name': 'Acme', 'organization.slug': 'acme', 'owner.name': 'Olga' };
    const owner = { 'owner.email': 'olga@acme.example', 'owner.password': PASSWORD };

    await open('/setup');
    await says('open the link whole');

    const token = await product.setupToken();
    await page.goto('about:blank');
    await open(`/setup#${token}`);
    await send({ ...answers, ...owner, 'owner.password': 'password1' });
    await says('Password is among the passwords that breaches showed');
    await looksRight();

    await send(owner);
    await says('Portcullis is set up');
    expect(page.url()).not.toContain(token);
    await looksRight();
  });

  async function signedIn(): Promise<{ token: string; org: string }> {
    const login = { email: 'olga@acme.example', password: PASSWORD, organization: 'acme' };
    const answer = expectAnswer<{ accessToken: string; organization: { id: string } }>(
      await product.api.post('/auth/login', login),
      200,
    );
    return { token: answer.accessToken, org: `/orgs/${answer.organization.id}` };
  }

  it('take an invitation up', async () => {
    const { token, org } = await signedIn();
    const invited = { email: 'mei@acme.example', role: 'viewer' };
    const { url } = expectAnswer<{ url: string }>(
      await product.api.post(`${org}/invitations`, invited, { token }),
      201,
    );
    await open(new URL(url).pathname + new URL(url).hash);
    await send({ name: 'Mei', password: PASSWORD });
    await says('You are a member');
    await looksRight();
    await page.goto('about:blank');
    await open(new URL(url).pathname + new URL(url).hash);
    await send({ name: 'Mei', password: PASSWORD });
    await says('The invitation is not valid');
  });

  it('say that a link for a new password is none', async () => {
    await open('/reset-password#pcp_nothing');
    await send({ newPassword: PASSWORD });
    await says('The link is not valid');
    await looksRight();
  });

  it('lead on from the first one', async () => {
    await open('/');
    await looksRight();
    await page.click('text=API documentation');
    await page.locator('.opblock-tag').first().waitFor();
    await looksRight();
  });

  it('show the report of a rollout, with its tables', async () => {
    const { token, org } = await signedIn();
    const made = async (path: string, body: object): Promise<string> =>
      expectAnswer<{ id: string }>(await product.api.post(`${org}${path}`, body, { token }), 201).id;
    const target = await made('/rollout-targets', { name: 'web-1', kind: 'host', environment: 'production' });
    const state = {
      state: `sha256:${'7'.repeat(64)}`,
      observedAt: new Date().toISOString(),
      ttlSeconds: 3_600,
    };
    const reported = await product.api.call('PUT', `${org}/rollout-targets/${target}/state`, state, {
      token,
    });
    expectAnswer(reported, 200);
    const policyId = await made('/rollout-policies', {
      name: 'production',
      quorum: { anyOf: [{ allOf: [{ count: 1 }] }] },
    });
    const rollout = await made('/rollouts', { title: 'web 1.2.3', policyId });
    const step = { command: 'http.put', arguments: { url: 'https://deploy.example/web' } };
    const plan = {
      environment: 'production',
      targets: [target],
      steps: [{ ...step, name: 'install' }],
      recovery: { kind: 'rollback', windowSeconds: 3_600, steps: [{ ...step, name: 'put back' }] },
    };
    expectAnswer(await product.api.call('PUT', `${org}/rollouts/${rollout}/plan`, plan, { token }), 200);

    await context.setExtraHTTPHeaders({ authorization: `Bearer ${token}` });
    await open(`/api/v1${org}/rollouts/${rollout}/report`);
    expect(await page.locator('td', { hasText: 'put back' }).count()).toBe(1);
    await looksRight();
  });

  it('have a place for each fault, which shows on a narrow screen', async () => {
    await open('/api/docs/faults#access.denied');
    expect(await page.locator('tr:target').textContent()).toContain('access.denied403');
    await looksRight();
  });
});
