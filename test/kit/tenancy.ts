import { randomText } from '#kernel';
import type { Product } from './app.ts';
import { expectAnswer } from './client.ts';
import { totpCode } from './totp.ts';

export interface Account {
  readonly email: string;
  readonly name: string;
  readonly password: string;
}

/** What a sign-in answers, as far as specs use it. */
export interface SignedIn {
  accessToken: string;
  refreshToken: string;
  session: { id: string };
  user: { id: string };
  organization: { id: string; slug: string };
}

export function accountOf(name: string): Account {
  return { email: `${name}@example.com`, name, password: `${randomText(12)} for ${name}` };
}

export async function signIn(
  product: Product,
  { email, password }: Account,
  organization?: string,
): Promise<SignedIn> {
  const body = { email, password, ...(organization && { organization }) };
  return expectAnswer<SignedIn>(await product.api.post('/auth/login', body), 200);
}

/** Sets a new deployment up: the organization `acme` and its owner, who is the platform's too. */
export async function setUp(product: Product): Promise<Account> {
  const owner = accountOf('owner');
  const token = await product.setupToken();
  const organization = { name: 'Acme', slug: 'acme' };
  expectAnswer(await product.api.post('/setup', { token, organization, owner }), 201);
  return owner;
}

/** Makes a member, who has replaced the password that was given once. */
export async function addMember(
  product: Product,
  admin: SignedIn,
  name: string,
  role = 'viewer',
): Promise<Account> {
  const account = accountOf(name);
  const created = await product.api.post(
    `/orgs/${admin.organization.id}/members`,
    { email: account.email, name, role },
    { token: admin.accessToken },
  );
  const { password } = expectAnswer<{ password: string }>(created, 201);
  const refused = await product.api.post('/auth/login', { email: account.email, password });
  const { data } = expectAnswer(refused, 401, 'auth.password_change_required');
  const request = { challengeId: data.challenge.id, newPassword: account.password };
  expectAnswer(await product.api.post('/auth/password/change-required', request), 200);
  return account;
}

/** Makes a second tenant with an owner of its own. */
export async function addTenant(product: Product, operator: SignedIn, slug: string): Promise<Account> {
  const owner = accountOf(`${slug}-owner`);
  const created = await product.api.post(
    '/orgs',
    { name: slug, slug, owner: { email: owner.email, name: owner.name } },
    { token: operator.accessToken },
  );
  const { token } = expectAnswer<{ invitation: { token: string } }>(created, 201).invitation;
  const acceptance = { token, name: owner.name, password: owner.password };
  expectAnswer(await product.api.post('/auth/invitations/accept', acceptance), 201);
  return owner;
}

/** Makes an API key of the caller's. */
export async function addKey(
  product: Product,
  admin: SignedIn,
  permissions: string[],
): Promise<{ id: string; key: string }> {
  const request = { name: `key ${randomText(6)}`, permissions };
  const path = `/orgs/${admin.organization.id}/api-keys`;
  return expectAnswer(await product.api.post(path, request, { token: admin.accessToken }), 201);
}

/** Enrolls an authenticator app in a session. `nextCode` is of the step after the one that the enrolment used. */
export async function enrollTotp(
  product: Product,
  { accessToken: token }: SignedIn,
): Promise<{ id: string; nextCode: string }> {
  const begun = expectAnswer(await product.api.post('/auth/factors/totp', undefined, { token }), 200);
  const now = Date.now();
  const code = (ms: number): string => totpCode(begun.totp.secret, new Date(ms));
  const confirm = { challengeId: begun.challengeId, code: code(now) };
  const added = await product.api.post('/auth/factors/totp/confirm', confirm, { token });
  return { id: expectAnswer(added, 201).factor.id, nextCode: code(now + 30_000) };
}
