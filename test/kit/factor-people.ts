import { type Answered, type AppInProcess, expectStatus, type SignedIn } from './app-in-process.ts';
import { SoftAuthenticator } from './authenticator.ts';
import { totpCode } from './totp.ts';

/** The shape of a body is what specs are about. */
// oxlint-disable-next-line typescript/no-explicit-any
type Body = any;

export const ORIGIN = 'http://localhost:8080';

/** A member of an organization with the factors they enrolled, for specs in the process. */
export class FactorPerson {
  secret = '';
  totpId = '';
  passkeyId = '';
  recoveryCodes: string[] = [];
  readonly authenticator = new SoftAuthenticator(ORIGIN);
  /** The session they signed in to last. */
  session: SignedIn;

  private constructor(
    private readonly app: AppInProcess,
    readonly account: { email: string; name: string; password: string },
    session: SignedIn,
  ) {
    this.session = session;
  }

  static async join(
    app: AppInProcess,
    admin: SignedIn,
    name: string,
    role = 'viewer',
  ): Promise<FactorPerson> {
    const account = { email: `${name}@acme.example`, name, password: `slow green harbour candle of ${name}` };
    await app.addMember(admin, account, role);
    await app.forgetAttempts();
    return new FactorPerson(app, account, await app.signIn(account));
  }

  get id(): string {
    return this.session.user.id;
  }

  get token(): string {
    return this.session.accessToken;
  }

  /** A code that was not used: of the next time step. */
  code(): string {
    this.app.clock.advance(30_000);
    return totpCode(this.secret, this.app.clock.now());
  }

  /** A code that is none of those around now. */
  wrongCode(): string {
    const now = this.app.clock.now().getTime();
    const near = [-60, -30, 0, 30, 60].map((off) => totpCode(this.secret, new Date(now + off * 1_000)));
    return (
      ['000000', '111111', '222222', '333333', '444444', '555555'].find((one) => !near.includes(one)) ?? ''
    );
  }

  /** Enrolls an authenticator app in the session. */
  async addTotp(): Promise<Body> {
    const begun = expectStatus(await this.post('/auth/factors/totp'), 200);
    this.secret = begun.totp.secret;
    const confirm = { challengeId: begun.challengeId, code: this.code() };
    const added = expectStatus(await this.post('/auth/factors/totp/confirm', confirm), 201);
    this.totpId = added.factor.id;
    this.recoveryCodes = added.recoveryCodes ?? this.recoveryCodes;
    return added;
  }

  async addPasskey(): Promise<Body> {
    const begun = expectStatus(await this.post('/auth/factors/passkeys'), 200);
    const attestation = this.authenticator.register(begun.passkey);
    const confirm = { challengeId: begun.challengeId, attestation };
    const added = expectStatus(await this.post('/auth/factors/passkeys/confirm', confirm), 201);
    this.passkeyId = added.factor.id;
    this.recoveryCodes = added.recoveryCodes ?? this.recoveryCodes;
    return added;
  }

  post(path: string, body?: unknown): Promise<Answered> {
    return this.app.ask('POST', path, { token: this.token, ...(body === undefined ? {} : { body }) });
  }

  get(path: string): Promise<Answered> {
    return this.app.get(path, { token: this.token });
  }

  login(more: object = {}): Promise<Answered> {
    const { email, password } = this.account;
    return this.app.post('/auth/login', { email, password, ...more });
  }

  /** The challenge that a sign-in by the right password ends in. */
  async challenge(): Promise<Body> {
    return expectStatus(await this.login(), 401, 'auth.mfa_required').data.challenge;
  }

  verify(body: object): Promise<Answered> {
    return this.app.post('/auth/login/verify', body);
  }

  /** Signs in by password and code. */
  async signIn(): Promise<Body> {
    const { id: challengeId } = await this.challenge();
    const tokens = expectStatus(await this.verify({ challengeId, method: 'totp', code: this.code() }), 200);
    this.session = tokens as SignedIn;
    return tokens;
  }
}
