import { Module } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule } from '@nestjs/core';
import { AccessGuard } from './access.guard.ts';
import { BootSeal } from './boot-seal.ts';
import { JobCatalogue } from './job-catalogue.ts';
import { RouteCatalogue } from './route-catalogue.ts';

/** The guard before every route and the seal before the first. Needs Authenticator and SystemGate from above. */
@Module({
  imports: [DiscoveryModule],
  providers: [RouteCatalogue, JobCatalogue, BootSeal, { provide: APP_GUARD, useClass: AccessGuard }],
  exports: [RouteCatalogue, JobCatalogue],
})
export class AccessModule {}
