import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import jsonwebtoken from 'jsonwebtoken';
import passport from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { Clock, Fault, isId, newId } from '#kernel';
import { AuthFault } from './auth.faults.ts';
import type { SessionFacts } from './authority.ts';
import { SigningKeys } from './signing/signing-keys.ts';

export const ACCESS_TOKEN_SECONDS = 300;
const AUDIENCE = 'portcullis';
/** RFC 9068: what an access token says it is, so that no other JWT of ours is taken for one. */
const TYPE = 'at+jwt';
const STRATEGY = 'access-token';

/** The claims of an access token (contract, "Identity"). Times are seconds since the epoch. */
export interface AccessClaims {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly sid: string;
  readonly org: string;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  readonly auth_time: number;
  readonly amr: readonly string[];
  readonly acr: string;
}

/** Verifies with passport-jwt: ES256 only, keys only from our own store by `kid`, issuer, audience, type, expiry. */
@Injectable()
export class AccessTokenStrategy extends PassportStrategy(Strategy, STRATEGY) {
  constructor(private readonly keys: SigningKeys) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      algorithms: ['ES256'],
      audience: AUDIENCE,
      secretOrKeyProvider: (
        _request: unknown,
        token: string,
        done: (error: Error | null, key?: string) => void,
      ): void => {
        const header = jsonwebtoken.decode(token, { complete: true })?.header;
        if (header?.typ !== TYPE || !header.kid)
          return done(AuthFault.invalid_token({ detail: 'type or key id' }));
        keys.publicKey(header.kid).then(
          // jsonwebtoken takes a KeyObject; the typings of passport-jwt know only text.
          (key) =>
            key
              ? done(null, key as unknown as string)
              : done(AuthFault.invalid_token({ detail: 'unknown key' })),
          (error: unknown) => done(error as Error),
        );
      },
    });
  }

  validate(claims: AccessClaims): AccessClaims {
    // Checked here, for the issuer is known only with the keys.
    if (claims.iss !== this.keys.issuer) throw AuthFault.invalid_token({ detail: 'issuer' });
    if (![claims.sid, claims.sub, claims.org].every(isId)) throw AuthFault.invalid_token({ detail: 'ids' });
    // A token without an end, or with one that is too far away, is none that we issue.
    if (!(claims.exp - claims.iat <= ACCESS_TOKEN_SECONDS))
      throw AuthFault.invalid_token({ detail: 'lifetime' });
    return claims;
  }
}

/** The id of the key that a token says it is signed by; empty where it says none. */
export function keyIdOf(token: string): string {
  return jsonwebtoken.decode(token, { complete: true })?.header.kid ?? '';
}

@Injectable()
export class AccessTokens {
  constructor(
    private readonly keys: SigningKeys,
    private readonly clock: Clock,
  ) {}

  /** A token for a session; it lives ACCESS_TOKEN_SECONDS, or as long as the session where that is less. */
  async issue(session: SessionFacts): Promise<{ token: string; expiresIn: number }> {
    const { kid, privateKey } = await this.keys.current();
    const now = Math.floor(this.clock.now().getTime() / 1_000);
    const end = Math.floor(Date.parse(session.expiresAt) / 1_000);
    const expiresIn = Math.max(1, Math.min(ACCESS_TOKEN_SECONDS, end - now));
    const claims: AccessClaims = {
      iss: this.keys.issuer,
      aud: AUDIENCE,
      sub: session.userId,
      sid: session.id,
      org: session.organizationId,
      jti: newId(),
      iat: now,
      exp: now + expiresIn,
      auth_time: Math.floor(lastProof(session) / 1_000),
      amr: session.authMethods,
      acr: session.assurance,
    };
    const token = jsonwebtoken.sign(claims, privateKey, {
      algorithm: 'ES256',
      keyid: kid,
      header: { alg: 'ES256', typ: TYPE, kid },
    });
    return { token, expiresIn };
  }

  /** The claims of a token that is valid now. Faults: `auth.token_expired`, `auth.invalid_token`. */
  verify(token: string): Promise<AccessClaims> {
    return new Promise((resolve, reject) => {
      const answer = (error: unknown, claims: AccessClaims | false, info: unknown): void => {
        // What the strategy could not find out comes as `info`: that keys could not be read is no bad token.
        const fault = [error, info].find((one) => one instanceof Fault);
        if (fault) reject(fault);
        else if ((info as Error | undefined)?.name === 'TokenExpiredError') reject(AuthFault.token_expired());
        // Again by our clock, which everything that is remembered of the token goes by.
        else if (claims && claims.exp * 1_000 <= this.clock.now().getTime())
          reject(AuthFault.token_expired());
        else if (claims) resolve(claims);
        else reject(AuthFault.invalid_token({ cause: error ?? info }));
      };
      const request = { headers: { authorization: `Bearer ${token}` } };
      const authenticate = passport.authenticate(STRATEGY, { session: false }, answer) as (
        request: object,
        response: object,
        next: (error: unknown) => void,
      ) => void;
      authenticate(request, {}, reject);
    });
  }
}

/** When the person last proved themselves in a session, in epoch milliseconds. */
function lastProof({ createdAt, provenAt, passwordAt, factorAt }: SessionFacts): number {
  const proofs = [passwordAt, factorAt].flatMap((at) => (at === undefined ? [] : [Date.parse(at)]));
  return proofs.length === 0 ? Date.parse(provenAt ?? createdAt) : Math.max(...proofs);
}
