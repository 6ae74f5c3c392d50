import { Choice, Id, pageViewOf, Text, Time } from '#http';
import { type FactKind, factKinds } from '../verdict/vocabulary.ts';

export class CreateAuthorityRequest {
  @Choice(factKinds, { description: 'The kind of truth it owns.' })
  kind: FactKind;

  @Text({ max: 200 })
  name: string;

  @Id({ description: 'Whose API keys may tell facts of this kind.' })
  serviceAccountId: string;

  @Id({
    optional: true,
    description: 'Only for this surface; for all that have none of their own where unsaid.',
  })
  surfaceId?: string;
}

export class AuthorityView {
  @Id()
  id: string;

  @Choice(factKinds)
  kind: FactKind;

  @Text()
  name: string;

  @Id({
    nullable: true,
    description: 'null where the account was deleted: then nobody may tell facts of the kind.',
  })
  serviceAccountId: string | null;

  @Id({ nullable: true, description: 'The one surface it is for; null where it is for all.' })
  surfaceId: string | null;

  @Time()
  createdAt: string;

  @Time({ nullable: true })
  endedAt: string | null;
}

export const AuthorityPage = pageViewOf(AuthorityView);
