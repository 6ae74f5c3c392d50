import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req } from '@nestjs/common';
import {
  Access,
  type AccessRequest,
  builtInPermissions,
  builtInRoles,
  callerOf,
  permissionNames,
  permissions,
  SignedIn,
} from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import { CreateRoleRequest, PermissionsView, RolePage, RoleView, UpdateRoleRequest } from './org.contract.ts';
import { OrgFault } from './org.faults.ts';
import { Roles } from './roles.ts';

@Controller('api/v1/orgs/:orgId/roles')
export class RolesController {
  constructor(private readonly roles: Roles) {}

  @Get()
  @Access({ permission: 'role:read', org: 'orgId' })
  @Answers(RolePage, { description: 'Built-in and custom roles.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<RolePage> {
    return this.roles.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'role:write', org: 'orgId' })
  @Answers(RoleView, {
    status: 201,
    faults: [OrgFault.role_exists, OrgFault.unknown_permission, OrgFault.grant_ceiling],
    description: 'Create a custom role from the permission catalogue.',
  })
  create(@Req() request: AccessRequest, @Body() body: CreateRoleRequest): Promise<RoleView> {
    return this.roles.create(callerOf(request), body);
  }

  @Patch(':roleId')
  @Access({ permission: 'role:write', org: 'orgId' })
  @Answers(RoleView, {
    faults: [
      OrgFault.role_missing,
      OrgFault.role_built_in,
      OrgFault.unknown_permission,
      OrgFault.grant_ceiling,
    ],
    description: 'Change a custom role; effective on the next request of everyone who has it.',
  })
  update(
    @Req() request: AccessRequest,
    @Param('roleId', IdPipe) roleId: string,
    @Body() body: UpdateRoleRequest,
  ): Promise<RoleView> {
    return this.roles.update(callerOf(request), roleId, body);
  }

  @Delete(':roleId')
  @Access({ permission: 'role:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [OrgFault.role_missing, OrgFault.role_built_in, OrgFault.role_in_use, OrgFault.grant_ceiling],
    description: 'Delete a custom role that nobody has.',
  })
  remove(@Req() request: AccessRequest, @Param('roleId', IdPipe) roleId: string): Promise<void> {
    return this.roles.remove(callerOf(request), roleId);
  }
}

@Controller('api/v1/permissions')
export class PermissionsController {
  @Get()
  @SignedIn('the catalogue is the same for everyone and names no rights of anyone')
  @Answers(PermissionsView, { description: 'Every permission there is.' })
  list(): PermissionsView {
    return {
      items: permissionNames.map((name) => ({
        name,
        description: permissions[name].description,
        roles: builtInRoles.filter((role) => builtInPermissions(role, 'platform').includes(name)),
      })),
    };
  }
}
