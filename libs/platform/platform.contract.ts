import { NEW_PASSWORD, OrganizationView, UserView } from '#auth';
import { Choice, Email, ListOf, Nested, Secret, Slug, Text } from '#http';

export class SetupOrganization {
  @Text({ max: 200 })
  name: string;

  @Slug()
  slug: string;
}

export class SetupOwner {
  @Email()
  email: string;

  @Text({ max: 200 })
  name: string;

  @Secret({ description: NEW_PASSWORD })
  password: string;
}

export class SetupRequest {
  @Secret({ max: 200, description: 'From the file setup-token in the data directory.' })
  token: string;

  @Nested(() => SetupOrganization)
  organization: SetupOrganization;

  @Nested(() => SetupOwner)
  owner: SetupOwner;
}

export class SetupView {
  @Nested(() => OrganizationView)
  organization: OrganizationView;

  @Nested(() => UserView)
  user: UserView;
}

export class HealthView {
  @Choice(['ok'])
  status: 'ok';
}

export class ComponentView {
  @Text()
  name: string;

  @Choice(['ready', 'degraded', 'down'])
  state: 'ready' | 'degraded' | 'down';

  @Text({ optional: true })
  reason?: string;
}

export class ReadinessView {
  @Choice(['ready', 'not_ready'])
  status: 'ready' | 'not_ready';

  @ListOf(() => ComponentView)
  components: ComponentView[];
}
