import { type DynamicModule, Module } from '@nestjs/common';
import { AccessModule, SystemGate } from '#access';
import { HttpModule } from '#http';
import { OwnSurfaces } from '#projection';
import { Housekeeping } from './housekeeping.ts';
import { Idempotency } from './idempotency.ts';
import { MetricParts } from './metrics/metric-parts.ts';
import { Metrics } from './metrics/metrics.ts';
import { MetricsController } from './metrics/metrics.controller.ts';
import { HealthController, SetupController } from './platform.controller.ts';
import { PlatformSummaryController, ReadinessFamiliesController } from './posture/posture.controller.ts';
import { SelfPosture } from './posture/self-posture.ts';
import { Summaries } from './posture/summaries.ts';
import { Readiness } from './readiness.ts';
import { Setup } from './setup.ts';
import { SystemStateController } from './state/state.controller.ts';
import { SystemControl } from './state/system-control.ts';
import { SystemState } from './state/system-state.ts';
import { SystemWatch, WatchConfig } from './state/system-watch.ts';
import { WelcomeController } from './welcome.controller.ts';

@Module({})
export class PlatformModule {
  /** Global for the guard, which asks the state of the system first, and for what the product projects of itself. */
  static with(watch: WatchConfig): DynamicModule {
    return {
      module: PlatformModule,
      global: true,
      imports: [AccessModule, HttpModule],
      controllers: [
        SetupController,
        HealthController,
        MetricsController,
        SystemStateController,
        PlatformSummaryController,
        ReadinessFamiliesController,
        WelcomeController,
      ],
      providers: [
        SystemState,
        { provide: SystemGate, useExisting: SystemState },
        SystemControl,
        { provide: WatchConfig, useValue: watch },
        SystemWatch,
        MetricParts,
        Metrics,
        Setup,
        Readiness,
        Housekeeping,
        Idempotency,
        SelfPosture,
        { provide: OwnSurfaces, useExisting: SelfPosture },
        Summaries,
      ],
      exports: [OwnSurfaces, SystemGate, SystemState, SystemWatch, Setup, Housekeeping],
    };
  }
}
