import { Injectable } from '@nestjs/common';
import jsonwebtoken from 'jsonwebtoken';
import { SigningKeys } from '#auth';
import { type Caller, Clock, newId } from '#kernel';
import { Projections } from './projections.ts';

/** What it says it is (RFC 8725 section 3.11), so that no access token is taken for one, nor the other way round. */
const TYPE = 'projection+jwt';
/** No document outlives the publication of the key that signed it: as long as an access token. */
const LONGEST_S = 300;

/** A verdict that can be carried away: whoever has it can tell offline where it is from and when it ends. */
@Injectable()
export class Documents {
  constructor(
    private readonly projections: Projections,
    private readonly keys: SigningKeys,
    private readonly clock: Clock,
  ) {}

  /** A compact JWS (RFC 7515), ES256, by a key of /.well-known/jwks.json. */
  async sign(caller: Caller, surfaceId: string): Promise<string> {
    const { view } = await this.projections.describe(caller, surfaceId);
    const { kid, privateKey } = await this.keys.current();
    const iat = Math.floor(this.clock.now().getTime() / 1_000);
    const claims = {
      iss: this.keys.issuer,
      aud: view.organizationId,
      sub: surfaceId,
      jti: newId(),
      iat,
      exp: Math.min(Math.floor(Date.parse(view.validUntil) / 1_000), iat + LONGEST_S),
      key: view.key,
      verdict: view.verdict,
      reasons: view.reasons,
      authMode: view.authMode,
      onboardingStatus: view.onboardingStatus,
      sessionHandoff: view.sessionHandoff,
      adminPosture: view.adminPosture,
      generation: view.generation,
      validUntil: view.validUntil,
    };
    return jsonwebtoken.sign(claims, privateKey, {
      algorithm: 'ES256',
      header: { alg: 'ES256', typ: TYPE, kid },
    });
  }
}
