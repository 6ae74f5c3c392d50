import { type AppInProcess, type Answered, expectStatus, type SignedIn } from './app-in-process.ts';

type Kind = 'rights' | 'auth' | 'runtime';
export const factKinds: readonly Kind[] = ['rights', 'auth', 'runtime'];

/** What a surface is desired to be, unless a spec says otherwise. */
export const desired = {
  authMode: 'oidc',
  onboardingStatus: 'onboarded',
  sessionHandoff: 'oidc_interactive',
  adminPosture: 'admin_capable',
};

/** What owners tell of a surface that is as desired. */
export const goodData: Record<Kind, Record<string, unknown>> = {
  rights: { onboardingStatus: 'onboarded', rightsRevision: 'r1' },
  auth: { authMode: 'oidc', sessionHandoff: 'oidc_interactive', normalized: true, breakGlass: false },
  runtime: {
    materialized: true,
    sessionMaterialized: true,
    adminPosture: 'admin_capable',
    rightsRevision: 'r1',
  },
};

/** The owner of one kind of truth: an external system with a key of its own. */
export interface Owner {
  readonly authorityId: string;
  readonly accountId: string;
  readonly keyId: string;
  readonly key: string;
}

/** One surface of an organization, and the three systems that own the truth about all of its surfaces. */
export class SurfaceInTest {
  #revision = 0;

  private constructor(
    readonly product: AppInProcess,
    readonly admin: SignedIn,
    readonly owners: Record<Kind, Owner>,
    readonly id: string,
  ) {}

  static async make(
    product: AppInProcess,
    admin: SignedIn,
    key = 'portal',
    more: object = {},
  ): Promise<SurfaceInTest> {
    const owners = {} as Record<Kind, Owner>;
    for (const kind of factKinds) owners[kind] = await makeOwner(product, admin, kind);
    return new SurfaceInTest(product, admin, owners, await makeSurface(product, admin, key, more));
  }

  /** Another surface of the same organization, with the same owners. */
  async sibling(key: string, more: object = {}): Promise<SurfaceInTest> {
    return new SurfaceInTest(
      this.product,
      this.admin,
      this.owners,
      await makeSurface(this.product, this.admin, key, more),
    );
  }

  get org(): string {
    return `/orgs/${this.admin.organization.id}`;
  }

  get path(): string {
    return `${this.org}/projections/${this.id}`;
  }

  /** A fact that is right in all that is not said otherwise; a revision higher than any before. */
  fact(kind: Kind, data: object = {}, changes: object = {}): Record<string, unknown> {
    this.#revision += 1;
    return {
      revision: this.#revision,
      observedAt: this.product.clock.now().toISOString(),
      ttlSeconds: 600,
      data: { tenant: this.admin.organization.slug, ...goodData[kind], ...data },
      ...changes,
    };
  }

  tell(kind: Kind, body: object, token = this.owners[kind].key): Promise<Answered> {
    return this.product.ask('PUT', `${this.org}/surfaces/${this.id}/facts/${kind}`, { token, body });
  }

  /** Every owner tells that all is as desired, observed at one moment. */
  async tellAll(changes: object = {}): Promise<void> {
    const all = { observedAt: this.product.clock.now().toISOString(), ...changes };
    for (const kind of factKinds) expectStatus(await this.tell(kind, this.fact(kind, {}, all)), 200);
  }

  /** The projection as its readers get it. */
  // oxlint-disable-next-line typescript/no-explicit-any
  async read(): Promise<any> {
    return expectStatus(await this.product.get(this.path, { token: this.admin.accessToken }), 200);
  }

  async verdict(): Promise<[string, ...string[]]> {
    const { verdict, reasons } = await this.read();
    return [verdict, ...reasons];
  }
}

export async function makeSurface(
  product: AppInProcess,
  admin: SignedIn,
  key: string,
  more: object = {},
): Promise<string> {
  const body = { key, name: key, desired, ...more };
  const path = `/orgs/${admin.organization.id}/surfaces`;
  return expectStatus(await product.post(path, body, { token: admin.accessToken }), 201).id;
}

let accounts = 0;

/** A service account with a key, named as the owner of a kind of truth. */
export async function makeOwner(
  product: AppInProcess,
  admin: SignedIn,
  kind: Kind,
  more: object = {},
): Promise<Owner> {
  const as = { token: admin.accessToken };
  const org = `/orgs/${admin.organization.id}`;
  accounts += 1;
  const name = `${kind} ${accounts}`;
  const { id: accountId } = expectStatus(await product.post(`${org}/service-accounts`, { name }, as), 201);
  const { id: keyId, key } = await product.apiKey(admin, {
    name,
    serviceAccountId: accountId,
    permissions: ['fact:write'],
  });
  const authority = await product.post(
    `${org}/authorities`,
    { kind, name, serviceAccountId: accountId, ...more },
    as,
  );
  return { authorityId: expectStatus(authority, 201).id, accountId, keyId, key };
}
