import { Injectable } from '@nestjs/common';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { Audit, type AuditEntry } from '#audit';
import { ChosenPasswords, insertUser, SigningKeyRotation, storePassword } from '#auth';
import { Database } from '#database';
import { type CallerOrg, randomText, type RequestFacts, tokenDigest } from '#kernel';
import { insertMember, Orgs } from '#orgs';
import type { SetupRequest, SetupView } from './platform.contract.ts';
import { SystemFault } from './platform.faults.ts';
import { SystemState } from './state/system-state.ts';

/** The set-up token of this process, and what it is good for: making the first organizations and their owner. */
@Injectable()
export class Setup {
  #file: string | undefined;

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly orgs: Orgs,
    private readonly chosen: ChosenPasswords,
    private readonly signingKeys: SigningKeyRotation,
    private readonly state: SystemState,
  ) {}

  /** While a set-up is needed: makes a token, keeps its digest, writes it to `file` (0600). Answers the token. */
  async offer(file: string): Promise<string | undefined> {
    if (await this.state.isSetUp()) {
      if (existsSync(file)) await rm(file, { force: true });
      return undefined;
    }
    const token = `pcs_${randomText(24)}`;
    await this.database.acrossOrgs('set_up', (tx) =>
      tx.query('INSERT INTO setup_tokens (digest) VALUES ($1)', [tokenDigest(token)]),
    );
    await rm(file, { force: true });
    this.#file = file;
    await writeFile(file, `${token}\n`, { mode: 0o600, flag: 'wx' });
    return token;
  }

  /** Everything in one transaction; of two set-ups at once one wins. */
  async run(request: SetupRequest, facts: RequestFacts): Promise<SetupView> {
    await this.#requireToken(request.token);
    const owner = { ...request.owner, organizations: [request.organization] };
    const hash = await this.chosen.hash(owner.password, owner, 'owner.password');
    const view = await this.database.acrossOrgs('set_up', async (tx) => {
      const row = await tx.one<{ set_up_at: Date | null }>('SELECT set_up_at FROM deployment FOR UPDATE');
      if (!row || row.set_up_at) throw SystemFault.already_set_up();
      const platform = await this.orgs.open(tx, { slug: 'platform', name: 'Platform', kind: 'platform' });
      const tenant = await this.orgs.open(tx, { ...request.organization, kind: 'tenant' });
      const userId = await insertUser(tx, request.owner);
      await storePassword(tx, userId, hash);
      for (const { org, ownerRoleId } of [platform, tenant]) {
        await insertMember(tx, { orgId: org.id, userId, roleId: ownerRoleId });
        for (const entry of setupRecords(org, userId, request, facts)) await this.audit.record(tx, entry);
      }
      for (const kid of await this.signingKeys.createFirst(tx)) {
        await this.audit.record(tx, {
          ...fromSetup(platform.org, facts),
          action: 'signing_key.created',
          target: { type: 'signing_key', id: kid },
        });
      }
      await tx.query('UPDATE deployment SET set_up_at = now()');
      await tx.query('DELETE FROM setup_tokens');
      const user = { id: userId, email: request.owner.email.toLowerCase(), name: request.owner.name };
      return { organization: tenant.org, user };
    });
    this.state.markSetUp();
    if (this.#file) await rm(this.#file, { force: true });
    return view;
  }

  async #requireToken(token: string): Promise<void> {
    if (await this.state.isSetUp()) throw SystemFault.already_set_up();
    const known = await this.database.acrossOrgs('set_up', (tx) =>
      tx.one('SELECT 1 FROM setup_tokens WHERE digest = $1', [tokenDigest(token)]),
    );
    if (!known) throw SystemFault.invalid_setup_token();
  }
}

type Origin = Pick<AuditEntry, 'orgId' | 'actor' | 'outcome' | 'request'>;

function fromSetup(org: CallerOrg, facts: RequestFacts): Origin {
  return { orgId: org.id, actor: { type: 'system', id: 'setup' }, outcome: 'success', request: facts };
}

function setupRecords(
  org: CallerOrg,
  userId: string,
  request: SetupRequest,
  facts: RequestFacts,
): AuditEntry[] {
  const origin = fromSetup(org, facts);
  const owner = { type: 'user', id: userId, display: request.owner.email };
  return [
    ...(org.kind === 'platform'
      ? [{ ...origin, action: 'system.set_up' as const, target: { type: 'deployment', id: org.id } }]
      : []),
    {
      ...origin,
      action: 'org.created',
      target: { type: 'organization', id: org.id },
      changes: { name: { to: org.name }, slug: { to: org.slug } },
    },
    { ...origin, action: 'member.added', target: owner, changes: { role: { to: 'owner' } } },
  ];
}
