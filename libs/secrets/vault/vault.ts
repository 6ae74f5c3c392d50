import { VaultFailure } from './failure.ts';
import type { Reply } from './reply.ts';
import type { VaultSession } from './session.ts';
import type { Asked, VaultClient } from './vault-client.ts';

/** The server, asked as this process. */
export class Vault {
  constructor(
    private readonly client: VaultClient,
    private readonly session: VaultSession,
  ) {}

  /**
   * As the client does, with the token; a token that is refused is exchanged once, for it may have ended early or bear
   * policies of yesterday. Rejects with a VaultFailure, `forbidden` where the policy does not allow it.
   */
  async ask(asked: Omit<Asked, 'token'>): Promise<Reply> {
    const token = await this.session.token();
    const reply = await this.client.ask({ ...asked, token });
    if (reply.status !== 403) return reply;
    const other = await this.session.instead(token);
    const again = other && (await this.client.ask({ ...asked, token: other }));
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
