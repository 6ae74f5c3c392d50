import { Global, Module } from '@nestjs/common';
import { AccessModule, SystemGate } from '#access';
import { OwnSurfaces } from '#projection';
import { Housekeeping } from './housekeeping.ts';
import { Idempotency } from './idempotency.ts';
import { HealthController, SetupController } from './platform.controller.ts';
import { SelfPosture } from './self-posture.ts';
import { Readiness } from './readiness.ts';
import { Setup } from './setup.ts';
import { WelcomeController } from './welcome.controller.ts';
import { SystemState } from './system-state.ts';

/** Global for the guard, which asks the state of the system first. */
@Global()
@Module({
  imports: [AccessModule],
  controllers: [SetupController, HealthController, WelcomeController],
  providers: [
    SystemState,
    { provide: SystemGate, useExisting: SystemState },
    Setup,
    Readiness,
    Housekeeping,
    Idempotency,
    SelfPosture,
    { provide: OwnSurfaces, useExisting: SelfPosture },
  ],
  exports: [OwnSurfaces, SystemGate, SystemState, Setup, Housekeeping],
})
export class PlatformModule {}
