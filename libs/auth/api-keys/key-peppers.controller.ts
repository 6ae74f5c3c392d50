import { Controller, Get, Post, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, PLATFORM } from '#access';
import { Answers } from '#http';
import { KeyPeppersView } from './api-key.contract.ts';
import { PepperRotation } from './pepper-rotation.ts';

@Controller('api/v1/platform/key-peppers')
export class KeyPeppersController {
  constructor(private readonly rotation: PepperRotation) {}

  @Get()
  @Access({ permission: 'crypto:read', org: PLATFORM })
  @Answers(KeyPeppersView, { description: 'The peppers of API keys, and how many keys need each.' })
  list(@Req() request: AccessRequest): Promise<KeyPeppersView> {
    return this.rotation.list(callerOf(request));
  }

  @Post('rotate')
  @Access({ permission: 'crypto:rotate', org: PLATFORM, stepUp: 'mfa', within: 300 })
  @Answers(KeyPeppersView, {
    description: 'Make a new pepper. No key ends: each moves to it when it is used or rotated next.',
  })
  rotate(@Req() request: AccessRequest): Promise<KeyPeppersView> {
    return this.rotation.rotate(callerOf(request));
  }
}
