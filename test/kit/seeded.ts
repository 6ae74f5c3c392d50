import { generateKeyPairSync } from 'node:crypto';

/** One thing of every kind, made by the API as a person would: path parameter -> its id. */
export type Seeded = Readonly<Record<string, string>>;

const QUORUM = { anyOf: [{ allOf: [{ count: 1 }] }] };
const DESIRED = {
  authMode: 'oidc',
  onboardingStatus: 'onboarded',
  sessionHandoff: 'oidc_interactive',
  adminPosture: 'none',
};

/** Asks as an owner of the organization, below its path, and throws for another status. */
export type AskOwner = <T = { id: string }>(
  status: number,
  method: string,
  path: string,
  body: unknown,
) => Promise<T>;

/** `name` keeps what is made apart from what was made before. */
export async function seedEverything(ask: AskOwner, name: string): Promise<Seeded> {
  const make = async (path: string, body: unknown): Promise<string> =>
    (await ask(201, 'POST', path, body)).id;

  const fields = { token: 'a-token', secret: 'x'.repeat(40) };
  const secretId = await make('/secrets', { path: name, fields });
  const roleId = await make('/roles', { name, permissions: ['org:read', 'member:read'] });
  const accountId = await make('/service-accounts', { name });
  const keyId = await make('/api-keys', { name, permissions: ['org:read'] });
  const invitationId = await make('/invitations', { email: `invited-${name}@x.example`, role: 'viewer' });
  const { user } = await ask<{ user: { id: string } }>(201, 'POST', '/members', {
    email: `${name}@x.example`,
    name,
    role: 'viewer',
  });
  const surfaceId = await make('/surfaces', { key: name, name, desired: DESIRED });
  const owning = { kind: 'rights', name, serviceAccountId: accountId, surfaceId };
  const authorityId = await make('/authorities', owning);
  const policyId = await make('/rollout-policies', { name, quorum: QUORUM });
  const targetId = await make('/rollout-targets', { name, kind: 'host', environment: 'production' });
  await ask(200, 'PUT', `/rollout-targets/${targetId}/state`, {
    state: 'sha256:aaaa',
    observedAt: new Date().toISOString(),
    ttlSeconds: 3_600,
  });
  const giteaHookId = await make('/integrations/gitea', {
    name,
    baseUrl: 'https://gitea.example.com',
    token: `secret://${name}#token`,
    secrets: [`secret://${name}#secret`],
    repositories: ['ada/ledger'],
  });
  const plan = {
    environment: 'production',
    targets: [targetId],
    steps: [{ name: 'record', command: 'noop.record' }],
    recovery: { kind: 'irreversible' },
  };
  const rolloutId = await make('/rollouts', { title: name, policyId });
  await ask(200, 'PUT', `/rollouts/${rolloutId}/plan`, plan);
  const { publicKey } = generateKeyPairSync('ed25519');
  return {
    secretId,
    roleId,
    accountId,
    keyId,
    invitationId,
    userId: user.id,
    surfaceId,
    authorityId,
    policyId,
    targetId,
    giteaHookId,
    rolloutId,
    hookId: await make('/rollout-hooks', { name }),
    riskId: await make('/risks', {
      statement: name,
      likelihood: 2,
      consequence: 2,
      treatment: 'mitigate',
      rationale: name,
    }),
    freezeId: await make('/freezes', {
      name,
      start: '20300101T000000',
      timeZone: 'Europe/Berlin',
      durationSeconds: 3_600,
    }),
    sinkId: await make('/audit/sinks', {
      name,
      kind: 'webhook',
      settings: { url: 'https://siem.example.com/', hmacKey: `secret://${name}#secret` },
    }),
    templateId: await make('/rollout-templates', {
      name,
      giteaHookId,
      repository: 'ada/ledger',
      ref: 'refs/heads/main',
      policyId,
      plan,
    }),
    capabilityId: await make('/capabilities', {
      name,
      version: '1.0.0',
      product: 'ledger',
      owner: 'ada',
      provides: [],
      requires: [],
      permissions: [],
      tools: [],
      commands: [],
    }),
    evidenceKeyId: await make('/evidence-keys', {
      name,
      publicKey: publicKey.export({ type: 'spki', format: 'pem' }),
      ownerId: user.id,
    }),
  };
}
