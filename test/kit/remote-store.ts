import type { SystemTx } from '#database';
import type { Caller } from '#kernel';
import {
  EmbeddedStore,
  type Fields,
  type FoundValue,
  type OpenedSecret,
  type ResolvedSecret,
  type Resolver,
  type SecretMetadata,
  type SecretReference,
  type SecretSettings,
  SecretStore,
  SecretFault,
  type VersionMetadata,
  type Which,
} from '#secrets';

/**
 * A store that lies elsewhere, as far as what stands above it can tell: the embedded one, behind a link that a
 * specification cuts, slows and watches.
 */
export class RemoteSecretStore extends SecretStore {
  /** Resolutions that reached it. */
  asked = 0;
  away = false;
  /** Awaited between reading a value and handing it back. */
  delay: () => Promise<void> = () => Promise.resolve();
  #blamed: Error | undefined;

  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  /** What the next resolutions end with, until it is taken back by undefined. */
  failWith(error: Error | undefined): void {
    this.#blamed = error;
  }

  async resolve(resolver: Resolver, reference: SecretReference): Promise<ResolvedSecret> {
    this.asked += 1;
    this.#requireLink();
    if (this.#blamed) throw this.#blamed;
    const secret = await this.store.resolve(resolver, reference);
    await this.delay();
    return secret;
  }

  override async probe(): Promise<void> {
    this.#requireLink();
  }

  list(
    caller: Caller,
    query: { readonly prefix?: string; readonly after?: string; readonly limit: number },
  ): Promise<SecretMetadata[]> {
    return this.#linked(() => this.store.list(caller, query));
  }

  describe(
    caller: Caller,
    which: Which,
  ): Promise<SecretMetadata & { readonly versions: readonly VersionMetadata[] }> {
    return this.#linked(() => this.store.describe(caller, which));
  }

  newest(...asked: Parameters<SecretStore['newest']>): ReturnType<SecretStore['newest']> {
    return this.#linked(() => this.store.newest(...asked));
  }

  create(caller: Caller, path: string, fields: Fields, settings: SecretSettings): Promise<SecretMetadata> {
    return this.#linked(() => this.store.create(caller, path, fields, settings));
  }

  write(caller: Caller, which: Which, fields: Fields, cas?: number): Promise<SecretMetadata> {
    return this.#linked(() => this.store.write(caller, which, fields, cas));
  }

  update(caller: Caller, which: Which, settings: Partial<SecretSettings>): Promise<SecretMetadata> {
    return this.#linked(() => this.store.update(caller, which, settings));
  }

  reveal(caller: Caller, which: Which, version?: number): Promise<OpenedSecret> {
    return this.#linked(() => this.store.reveal(caller, which, version));
  }

  remove(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    return this.#linked(() => this.store.remove(caller, which, versions));
  }

  undelete(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    return this.#linked(() => this.store.undelete(caller, which, versions));
  }

  destroy(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    return this.#linked(() => this.store.destroy(caller, which, versions));
  }

  rotate(...what: Parameters<SecretStore['rotate']>): Promise<void> {
    return this.#linked(() => this.store.rotate(...what));
  }

  retire(...what: Parameters<SecretStore['retire']>): Promise<void> {
    return this.#linked(() => this.store.retire(...what));
  }

  forget(tx: SystemTx, caller: Caller, orgId: string): Promise<void> {
    return this.store.forget(tx, caller, orgId);
  }

  find(caller: Caller, value: string): Promise<readonly FoundValue[]> {
    return this.#linked(() => this.store.find(caller, value));
  }

  async #linked<T>(work: () => Promise<T>): Promise<T> {
    this.#requireLink();
    return work();
  }

  #requireLink(): void {
    if (this.away) throw SecretFault.unavailable({ retryAfter: 1 });
  }
}
