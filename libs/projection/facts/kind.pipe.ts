import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { ProjectionFault } from '../projection.faults.ts';
import { type FactKind, factKinds } from '../verdict/vocabulary.ts';

/** For a path parameter that is a kind of fact: `@Param('kind', KindPipe)`. Anything else is a 400. */
@Injectable()
export class KindPipe implements PipeTransform<unknown, FactKind> {
  static readonly schema = { type: 'string', enum: factKinds };

  transform(value: unknown, { data }: ArgumentMetadata): FactKind {
    const kind = factKinds.find((one) => one === value);
    if (kind !== undefined) return kind;
    const message = `must be one of ${factKinds.join(', ')}`;
    throw ProjectionFault.bad_kind({ errors: [{ path: data ?? '', message }] });
  }
}
