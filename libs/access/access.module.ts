import { Global, Module } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule } from '@nestjs/core';
import { AccessGuard } from './access.guard.ts';
import { BootSeal } from './boot-seal.ts';
import { JobCatalogue } from './job-catalogue.ts';
import { SignedRequests } from './ports.ts';
import { RouteCatalogue } from './route-catalogue.ts';

/** The guard before every route and the seal before the first. Needs Authenticator and SystemGate from above. */
@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [
    RouteCatalogue,
    JobCatalogue,
    SignedRequests,
    BootSeal,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [RouteCatalogue, JobCatalogue, SignedRequests],
})
export class AccessModule {}
