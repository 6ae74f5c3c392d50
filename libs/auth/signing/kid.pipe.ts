import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { AuthFault } from '../auth.faults.ts';

/** A SHA-256 thumbprint (RFC 7638) as base64url. */
const KID = /^[A-Za-z0-9_-]{43}$/;

/** For a path parameter that is a key id: `@Param('kid', KidPipe)`. Anything else is a 400. */
@Injectable()
export class KidPipe implements PipeTransform<unknown, string> {
  static readonly schema = { type: 'string', pattern: KID.source };

  transform(value: unknown, { data }: ArgumentMetadata): string {
    if (typeof value === 'string' && KID.test(value)) return value;
    throw AuthFault.bad_key_id({ errors: [{ path: data ?? '', message: 'must be a key id' }] });
  }
}
