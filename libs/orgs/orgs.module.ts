import { type DynamicModule, Module } from '@nestjs/common';
import { Invitations } from './invitations.ts';
import { Keys } from './keys.ts';
import { ApiKeysController, ServiceAccountsController } from './keys.controller.ts';
import { MemberFactors } from './member-factors/member-factors.ts';
import {
  MemberFactorsController,
  UserFactorsController,
} from './member-factors/member-factors.controller.ts';
import { MemberResets } from './member-resets.ts';
import { Members } from './members.ts';
import {
  AcceptInvitationController,
  InvitationsController,
  MembersController,
} from './members.controller.ts';
import { OrgConfig } from './org.config.ts';
import { Orgs } from './orgs.ts';
import { OrgsController } from './orgs.controller.ts';
import { Roles } from './roles.ts';
import { PermissionsController, RolesController } from './roles.controller.ts';

@Module({})
export class OrgsModule {
  static with(config: OrgConfig): DynamicModule {
    return {
      module: OrgsModule,
      global: true,
      controllers: [
        OrgsController,
        MembersController,
        InvitationsController,
        AcceptInvitationController,
        RolesController,
        PermissionsController,
        ServiceAccountsController,
        ApiKeysController,
        MemberFactorsController,
        UserFactorsController,
      ],
      providers: [
        { provide: OrgConfig, useValue: config },
        Invitations,
        Keys,
        MemberResets,
        MemberFactors,
        Members,
        Orgs,
        Roles,
      ],
      exports: [Orgs],
    };
  }
}
