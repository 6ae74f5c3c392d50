import { Body, Controller, Delete, Get, Param, Post, Put, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe } from '#http';
import { SecretFault } from '../secrets.faults.ts';
import { RotationRunView, RotationView, SetRotationRequest } from './rotation.contract.ts';
import { Rotations } from './rotations.ts';

@Controller('api/v1/orgs/:orgId/secrets/:secretId')
export class RotationsController {
  constructor(private readonly rotations: Rotations) {}

  @Put('rotation')
  @Access({ permission: 'secret:write', org: 'orgId' })
  @Answers(RotationView, {
    faults: [SecretFault.not_found, SecretFault.bad_rotation, SecretFault.unavailable],
    description: 'Have a field written anew by the product, by schedule or by hand.',
  })
  set(
    @Req() request: AccessRequest,
    @Param('secretId', IdPipe) secretId: string,
    @Body() body: SetRotationRequest,
  ): Promise<RotationView> {
    return this.rotations.set(callerOf(request), secretId, body);
  }

  @Get('rotation')
  @Access({ permission: 'secret:read-metadata', org: 'orgId' })
  @Answers(RotationView, {
    faults: [SecretFault.no_rotation],
    description: 'How a secret is rotated, and how the last rotations went.',
  })
  read(@Req() request: AccessRequest, @Param('secretId', IdPipe) secretId: string): Promise<RotationView> {
    return this.rotations.read(callerOf(request), secretId);
  }

  @Delete('rotation')
  @Access({ permission: 'secret:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [SecretFault.no_rotation],
    description: 'Rotate it no more. What is valid stays so.',
  })
  remove(@Req() request: AccessRequest, @Param('secretId', IdPipe) secretId: string): Promise<void> {
    return this.rotations.remove(callerOf(request), secretId);
  }

  @Post('rotate')
  @Access({ permission: 'secret:write', org: 'orgId' })
  @Answers(RotationRunView, {
    status: 202,
    faults: [SecretFault.no_rotation, SecretFault.rotation_running],
    description: 'Rotate a secret now. A worker does it; `GET rotation` tells how it went.',
  })
  start(
    @Req() request: AccessRequest,
    @Param('secretId', IdPipe) secretId: string,
  ): Promise<RotationRunView> {
    return this.rotations.start(callerOf(request), secretId);
  }
}
