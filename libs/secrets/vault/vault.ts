import { StartError } from '#kernel';
import { type FailureReason, VaultFailure } from './failure.ts';
import type { Reply } from './reply.ts';
import type { VaultSession } from './session.ts';
import type { Asked, VaultClient } from './vault-client.ts';

/** What a login at a start ended with that will not change by itself. */
const ADVICE: Partial<Record<FailureReason, string>> = {
  theft:
    'the secret-id may be in other hands. Destroy it by its accessor, find out who opened it, and hand out a new one',
  unauthenticated: 'the server refuses this login; see PORTCULLIS_VAULT_AUTH and what goes with it',
  forbidden: 'the policy of the role does not allow what a login needs',
  refused: 'the server does not know what was asked; see PORTCULLIS_VAULT_AUTH_MOUNT',
  redirected: 'PORTCULLIS_VAULT_ADDRESS must name the server itself',
  malformed: 'what answers at PORTCULLIS_VAULT_ADDRESS is no such server',
};

/** The server, asked as this process. */
export class Vault {
  #closing: Promise<void> | undefined;

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

  /**
   * Logs in at a start. False where the server says nothing now: a start goes on without it. Rejects with a StartError
   * where it says no, for then it will go on saying so.
   */
  async open(): Promise<boolean> {
    try {
      await this.session.token();
      return true;
    } catch (error) {
      if (!(error instanceof VaultFailure)) throw error;
      const advice = ADVICE[error.reason];
      if (advice === undefined) return false;
      throw new StartError(`${error.message}: ${advice}`, { cause: error });
    }
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  /** Once, whoever asks for it. */
  close(): Promise<void> {
    this.session.close();
    return (this.#closing ??= this.client.close());
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
