import { Injectable } from '@nestjs/common';
import { Unattended } from '#access';
import { Audit } from '#audit';
import { Database, type SystemTx } from '#database';
import {
  type Caller,
  type CallerOrg,
  callerIn,
  Clock,
  randomText,
  type RequestFacts,
  tokenDigest,
} from '#kernel';
import { HandlesJob, type JobFacts, JobQueue, Jobs } from '#jobs';
import { type Account, findAccount, readAccountOrgs, storePassword } from '../account.store.ts';
import { AuthConfig } from '../auth.config.ts';
import { AuthFault } from '../auth.faults.ts';
import { Devices } from '../devices/devices.ts';
import { AttemptLimits } from '../limits/attempt-limits.ts';
import { Sessions } from '../sessions/sessions.ts';
import { ChosenPasswords } from './chosen-passwords.ts';
import { countOwnResets, findReset, insertReset, useReset } from './password-reset.store.ts';
import { PasswordMail, type ResetLink } from './password-mail.ts';
import type { CompletePasswordResetRequest } from './passwords.contract.ts';

const VALID_MS = 30 * 60_000;
/** Links a person may have asked for and not used: beyond them a stranger would fill the person's mailbox. */
const OPEN_AT_ONCE = 3;

interface WishForReset {
  readonly email: string;
  readonly request: RequestFacts;
}

/** Somebody waits for the link: it is tried for some minutes. */
const resetQueue = new JobQueue<WishForReset>('password_reset', {
  retries: 6,
  firstDelay: 2,
  longestDelay: 120,
  within: 30,
  concurrency: 2,
});

/**
 * Resets by a link that works once, for half an hour. It sets the password and nothing else: the person signs in
 * after it, with every factor they have.
 */
@Injectable()
export class PasswordResets {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly chosen: ChosenPasswords,
    private readonly sessions: Sessions,
    private readonly devices: Devices,
    private readonly limits: AttemptLimits,
    private readonly jobs: Jobs,
    private readonly mail: PasswordMail,
    private readonly config: AuthConfig,
    private readonly clock: Clock,
  ) {}

  /** The same for every address: nothing is looked up before this answers. */
  async request(email: string, facts: RequestFacts): Promise<void> {
    await this.limits.countSource(facts.ip);
    if (!this.mail.isConfigured) return;
    const { id, method, route, ip, userAgent } = facts;
    const request = { id, method, route, ...(ip && { ip }), ...(userAgent && { userAgent }) };
    await this.database.acrossOrgs('reset_password', (tx) =>
      this.jobs.enqueue(tx, resetQueue, { email, request }),
    );
  }

  /** What `request` asked for: mails a link where the address is that of a person who could sign in. */
  @HandlesJob(resetQueue)
  @Unattended('anybody may ask for a link; it goes to the person alone')
  async start({ email, request }: WishForReset, _job: JobFacts): Promise<void> {
    await this.database.acrossOrgs('reset_password', async (tx) => {
      const account = await findAccount(tx, { email });
      const orgs = account ? await readAccountOrgs(tx, account.id) : [];
      if (!account || account.status !== 'active' || account.hash === null || orgs.length === 0) return;
      if ((await countOwnResets(tx, account.id)) >= OPEN_AT_ONCE) return;
      const link = await this.issue(tx, account.id);
      for (const org of orgs) {
        await this.audit.record(tx, {
          orgId: org.id,
          actor: { type: 'anonymous', id: 'anonymous' },
          action: 'auth.password_reset_requested',
          target: { type: 'user', id: account.id, display: account.email },
          outcome: 'success',
          request,
        });
      }
      await this.mail.sendLink(tx, account.email, link);
    });
  }

  /** A new link, in a transaction that records who had it made; `startedBy` where that was not the person. */
  async issue(tx: SystemTx, userId: string, startedBy?: string): Promise<ResetLink> {
    const token = `pcp_${randomText(32)}`;
    const expiresAt = new Date(this.clock.now().getTime() + VALID_MS);
    await insertReset(tx, { digest: tokenDigest(token), userId, startedBy, expiresAt });
    return { url: `${this.config.pagesAt}/reset-password#${token}`, expiresAt: expiresAt.toISOString() };
  }

  /** Answers how many sessions it ended. A password that is refused leaves the link as it was. */
  complete(request: CompletePasswordResetRequest, facts: RequestFacts): Promise<number> {
    return this.limits.countRefusals(facts, () => this.#complete(request, facts));
  }

  async #complete(request: CompletePasswordResetRequest, facts: RequestFacts): Promise<number> {
    const digest = tokenDigest(request.token);
    const { account, orgs } = await this.database.acrossOrgs('reset_password', async (tx) => {
      const open = await findReset(tx, digest);
      const found = open && (await findAccount(tx, { id: open.user_id }));
      return { account: found, orgs: found ? await readAccountOrgs(tx, found.id) : [] };
    });
    const [first] = orgs;
    if (!account || account.status !== 'active' || !first) throw invalidReset();
    const hash = await this.chosen.hash(request.newPassword, { ...account, organizations: orgs });
    return this.database.acrossOrgs('reset_password', async (tx) => {
      if (!(await useReset(tx, digest))) throw invalidReset();
      const person = callerOf(account, first, facts);
      for (const org of orgs) {
        await this.audit.append(tx, callerIn(person, org), {
          action: 'auth.password_reset',
          target: { type: 'user', id: account.id, display: account.email },
        });
      }
      await storePassword(tx, account.id, hash);
      await this.mail.sendChanged(tx, account.email, facts);
      if (request.endOtherSessions === false) return 0;
      await this.devices.forgetAll(tx, account.id);
      return this.sessions.end(tx, person, { userId: account.id }, 'password_reset');
    });
  }
}

function invalidReset(): Error {
  return AuthFault.invalid_reset({ audit: { action: 'auth.password_reset', reason: 'invalid_reset' } });
}

/** The person, for records alone: holds nothing. */
function callerOf(account: Account, org: CallerOrg, request: RequestFacts): Caller {
  return {
    kind: 'user',
    id: account.id,
    userId: account.id,
    display: account.name,
    org,
    permissions: new Set(),
    assured: false,
    request,
  };
}
