import { type Clock, StartError } from '#kernel';
import type { Secret } from '../secret.ts';
import { VaultFailure } from './failure.ts';
import { type Issued, issuedBy, type Login } from './login.ts';
import { vaultPath } from './path.ts';
import type { VaultClient } from './vault-client.ts';

/** Longest wait of one timer: Node takes what is above 2^31 ms (25 days) for 1 ms, and tokens live 768 hours. */
const LONGEST_WAIT_MS = 3_600_000;
/** A login that failed is not tried again before, however many ask. */
const PAUSE_MS = 1_000;
/** Nor is one because of a 403 sooner than this after the last: then it is the policy that refuses. */
const YOUNG_MS = 10_000;

interface Held extends Issued {
  readonly since: number;
  /** Milliseconds of the monotonic clock. */
  readonly renewAt: number;
  readonly endsAt: number;
}

export interface SessionEvents {
  /** A wrapped secret-id is not what it should be. The failure is thrown afterwards. */
  theft(failure: VaultFailure): Promise<void>;
  failed(error: unknown): void;
}

/**
 * The token of this process: one, whoever needs it. It is renewed before it ends, and where the server gives less
 * than was asked for, that is about its end, exchanged for another by a login.
 */
export class VaultSession {
  #held: Held | undefined;
  #login: Promise<Held> | undefined;
  #renewal: Promise<void> | undefined;
  #failure: { readonly error: unknown; readonly at: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly client: VaultClient,
    private readonly login: Login,
    private readonly clock: Clock,
    private readonly events: SessionEvents,
  ) {}

  /** Rejects with a VaultFailure, or with a StartError where the token is one of root. */
  async token(): Promise<Secret> {
    const held = this.#held;
    if (held && this.clock.monotonic() < held.endsAt) return held.token;
    return (await this.#logIn()).token;
  }

  /**
   * Another token in place of one that the server has refused; undefined where that would not help, because it was
   * fresh.
   */
  async instead(refused: Secret): Promise<Secret | undefined> {
    const held = this.#held;
    if (held && held.token !== refused) return held.token;
    if (held && this.clock.monotonic() - held.since < YOUNG_MS) return undefined;
    return (await this.#logIn()).token;
  }

  /** Renews or exchanges the token where it is time to. Called by a timer. */
  async keep(): Promise<void> {
    const held = this.#held;
    if (held && this.clock.monotonic() >= held.renewAt) {
      this.#renewal ??= this.#renew(held).finally(() => (this.#renewal = undefined));
      await this.#renewal.catch((error: unknown) => this.#postpone(error));
    }
    this.#arm();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#held = undefined;
  }

  /** The token is still good: what is left of its life is for trying again. */
  #postpone(error: unknown): void {
    this.events.failed(error);
    const held = this.#held;
    const now = this.clock.monotonic();
    if (held) this.#held = { ...held, renewAt: now + Math.max(PAUSE_MS, (held.endsAt - now) / 8) };
  }

  async #renew(held: Held): Promise<void> {
    if (held.renewable) {
      const asked = held.ttl;
      const reply = await this.client.ask({
        method: 'POST',
        path: vaultPath('auth/token/renew-self'),
        token: held.token,
        body: { increment: asked },
      });
      if (reply.status === 200) {
        const renewed = issuedBy(reply);
        this.#held = this.#hold({ ...renewed, token: held.token, ttl: renewed.ttl });
        // Less than asked: its longest life is about to end, and renewing will soon give nothing.
        if (renewed.ttl >= asked && renewed.renewable) return;
      }
    }
    await this.#logIn();
  }

  /** One login at a time, whoever asks; its outcome is that of all who waited. */
  async #logIn(): Promise<Held> {
    const failure = this.#failure;
    if (failure && this.clock.monotonic() - failure.at < PAUSE_MS) throw failure.error;
    this.#login ??= this.#issue().finally(() => (this.#login = undefined));
    return this.#login;
  }

  async #issue(): Promise<Held> {
    try {
      const issued = await this.login.issue();
      if (issued.policies.includes('root'))
        throw new StartError(
          'the token for the secret store is a root token; give this process one of its own',
        );
      this.#failure = undefined;
      this.#held = this.#hold(issued);
      this.#arm();
      return this.#held;
    } catch (error) {
      this.#failure = { error, at: this.clock.monotonic() };
      if (error instanceof VaultFailure && error.reason === 'theft') await this.events.theft(error);
      throw error;
    }
  }

  #hold(issued: Issued): Held {
    const since = this.clock.monotonic();
    const life = issued.ttl === 0 ? Infinity : issued.ttl * 1_000;
    // Somewhere in the third quarter, so that replicas that started together do not come together.
    return { ...issued, since, renewAt: since + life * (0.5 + Math.random() * 0.25), endsAt: since + life };
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const now = this.clock.monotonic();
    // One that has ended is replaced when somebody needs it.
    if (this.#closed || !this.#held || now >= this.#held.endsAt) return;
    const wait = Math.max(PAUSE_MS, Math.min(LONGEST_WAIT_MS, this.#held.renewAt - now));
    this.#timer = setTimeout(() => void this.keep(), wait);
    this.#timer.unref();
  }
}
