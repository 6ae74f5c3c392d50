import { Choice, Email, Id, ListOf, PageQuery, pageViewOf, Slug, Text, Time } from '#http';

export class AccountsQuery extends PageQuery {
  @Email({ optional: true, description: 'Only the account with this address.' })
  email?: string;
}

export class AccountOrgView {
  @Id()
  id: string;

  @Slug()
  slug: string;
}

export class AccountView {
  @Id()
  id: string;

  @Email()
  email: string;

  @Text()
  name: string;

  @Choice(['active', 'disabled'])
  status: 'active' | 'disabled';

  @ListOf(() => AccountOrgView, { max: 10_000, description: 'Where this person is a member.' })
  organizations: AccountOrgView[];

  @Time()
  createdAt: string;
}

export class AccountPage extends pageViewOf(AccountView) {}

export class UpdateAccountRequest {
  @Choice(['active', 'disabled'])
  status: 'active' | 'disabled';
}
