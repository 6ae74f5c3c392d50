import { VaultFailure } from './failure.ts';
import type { Reply } from './reply.ts';
import type { VaultSession } from './session.ts';
import type { Asked, VaultClient } from './vault-client.ts';

/** The server, asked as this process. */
export class Vault {
  constructor(
    private readonly client: VaultClient,
    private readonly session: VaultSession,
    /** Milliseconds for one question, a login it waits for included. */
    private readonly deadlineMs: number,
  ) {}

  /**
   * As the client does, with the token; a token that is refused is exchanged once, for it may have ended early or bear
   * policies of yesterday. Rejects with a VaultFailure, `forbidden` where the policy does not allow it.
   */
  async ask(asked: Omit<Asked, 'token'>): Promise<Reply> {
    const late = AbortSignal.timeout(this.deadlineMs);
    const signal = asked.signal ? AbortSignal.any([asked.signal, late]) : late;
    const token = await before(signal, this.session.token());
    const reply = await this.client.ask({ ...asked, token, signal });
    if (reply.status !== 403) return reply;
    const other = await before(signal, this.session.instead(token));
    const again = other && (await this.client.ask({ ...asked, token: other, signal }));
    if (again && again.status !== 403) return again;
    throw new VaultFailure('forbidden', { status: 403 });
  }

  /** Logs in. For a start that is to know at once whether it can. */
  async open(): Promise<void> {
    await this.session.token();
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    this.session.close();
    await this.client.close();
  }
}

/** What it waits for goes on, for others wait too. */
async function before<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const end = (): void => reject(new VaultFailure('late', { detail: 'no login in time' }));
  signal.addEventListener('abort', end);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
