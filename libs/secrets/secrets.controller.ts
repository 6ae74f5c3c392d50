import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe } from '#http';
import {
  CreateSecretRequest,
  FoundValuesView,
  RevealedSecretView,
  RevealSecretRequest,
  SearchValueRequest,
  SecretDetailsView,
  SecretPage,
  SecretsQuery,
  SecretView,
  SomeVersionsRequest,
  UpdateSecretRequest,
  VersionsRequest,
  WriteSecretRequest,
} from './secrets.contract.ts';
import { SecretFault } from './secrets.faults.ts';
import { Secrets } from './secrets.ts';

@Controller('api/v1/orgs/:orgId/secrets')
export class SecretsController {
  constructor(private readonly secrets: Secrets) {}

  @Get()
  @Access({ permission: 'secret:list', org: 'orgId' })
  @Answers(SecretPage, {
    faults: [SecretFault.bad_path, SecretFault.plain_refused],
    description: 'Secrets by path, without values.',
  })
  list(@Req() request: AccessRequest, @Query() query: SecretsQuery): Promise<SecretPage> {
    return this.secrets.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'secret:write', org: 'orgId' })
  @Answers(SecretView, {
    status: 201,
    faults: [
      SecretFault.path_taken,
      SecretFault.bad_path,
      SecretFault.bad_fields,
      SecretFault.bad_tags,
      SecretFault.unreadable,
    ],
    description: 'Create a secret with its first version.',
  })
  create(@Req() request: AccessRequest, @Body() body: CreateSecretRequest): Promise<SecretView> {
    return this.secrets.create(callerOf(request), body);
  }

  @Post('search-digest')
  @Access({ permission: 'secret:reveal', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(FoundValuesView, {
    faults: [SecretFault.unreadable],
    description:
      'Where a value that may have leaked is or was kept, and who got it there. The value is not stored: keyed ' +
      'digests are compared.',
  })
  find(@Req() request: AccessRequest, @Body() body: SearchValueRequest): Promise<FoundValuesView> {
    return this.secrets.find(callerOf(request), body.value);
  }

  @Get(':secretId')
  @Access({ permission: 'secret:read-metadata', org: 'orgId' })
  @Answers(SecretDetailsView, {
    faults: [SecretFault.not_found],
    description: 'A secret and its versions, without values.',
  })
  describe(
    @Req() request: AccessRequest,
    @Param('secretId', IdPipe) secretId: string,
  ): Promise<SecretDetailsView> {
    return this.secrets.describe(callerOf(request), secretId);
  }

  @Patch(':secretId')
  @Access({ permission: 'secret:write', org: 'orgId' })
  @Answers(SecretView, {
    faults: [SecretFault.not_found, SecretFault.bad_tags],
    description: 'Change what is told of a secret, or how its versions are kept.',
  })
  update(
    @Req() request: AccessRequest,
    @Param('secretId', IdPipe) secretId: string,
    @Body() body: UpdateSecretRequest,
  ): Promise<SecretView> {
    return this.secrets.update(callerOf(request), secretId, body);
  }

  @Post(':secretId/versions')
  @Access({ permission: 'secret:write', org: 'orgId' })
  @Answers(SecretView, {
    status: 201,
    faults: [
      SecretFault.not_found,
      SecretFault.deleted,
      SecretFault.version_conflict,
      SecretFault.cas_required,
      SecretFault.bad_fields,
      SecretFault.unreadable,
    ],
    description: 'Write the next version. With `cas`, only where that is the newest one now.',
  })
  write(
    @Req() request: AccessRequest,
    @Param('secretId', IdPipe) secretId: string,
    @Body() body: WriteSecretRequest,
  ): Promise<SecretView> {
    return this.secrets.write(callerOf(request), secretId, body);
  }

  @Post(':secretId/versions/delete')
  @Access({ permission: 'secret:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [SecretFault.not_found, SecretFault.version_not_found],
    description: 'Hide versions until they are undeleted.',
  })
  removeVersions(
    @Req() request: AccessRequest,
    @Param('secretId', IdPipe) secretId: string,
    @Body() body: VersionsRequest,
  ): Promise<void> {
    return this.secrets.remove(callerOf(request), secretId, body.versions);
  }

  @Post(':secretId/reveal')
  @Access({ permission: 'secret:reveal', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RevealedSecretView, {
    faults: [
      SecretFault.not_found,
      SecretFault.version_not_found,
      SecretFault.deleted,
      SecretFault.destroyed,
      SecretFault.unreadable,
    ],
    description: 'The values of a version. Recorded with a keyed digest of each; store the answer nowhere.',
  })
  reveal(
    @Req() request: AccessRequest,
    @Param('secretId', IdPipe) secretId: string,
    @Body() body: RevealSecretRequest,
  ): Promise<RevealedSecretView> {
    return this.secrets.reveal(callerOf(request), secretId, body.version);
  }

  @Delete(':secretId')
  @Access({ permission: 'secret:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [SecretFault.not_found],
    description: 'Hide a secret until it is undeleted.',
  })
  remove(@Req() request: AccessRequest, @Param('secretId', IdPipe) secretId: string): Promise<void> {
    return this.secrets.remove(callerOf(request), secretId);
  }

  @Post(':secretId/undelete')
  @Access({ permission: 'secret:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [SecretFault.not_found, SecretFault.version_not_found],
    description: 'Bring a secret, or versions of it, back.',
  })
  undelete(
    @Req() request: AccessRequest,
    @Param('secretId', IdPipe) secretId: string,
    @Body() body: SomeVersionsRequest,
  ): Promise<void> {
    return this.secrets.undelete(callerOf(request), secretId, body.versions);
  }

  @Post(':secretId/destroy')
  @Access({ permission: 'secret:destroy', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(undefined, {
    faults: [SecretFault.not_found, SecretFault.version_not_found],
    description: 'Erase a secret, or versions of it, for ever.',
  })
  destroy(
    @Req() request: AccessRequest,
    @Param('secretId', IdPipe) secretId: string,
    @Body() body: SomeVersionsRequest,
  ): Promise<void> {
    return this.secrets.destroy(callerOf(request), secretId, body.versions);
  }
}
