import { Module } from '@nestjs/common';
import { Deliveries } from './deliveries/deliveries.ts';
import { HookSecrets } from './deliveries/hook-secrets.ts';
import { SignedDeliveries } from './deliveries/signed-deliveries.ts';
import { GiteaWebhookController } from './deliveries/webhook.controller.ts';
import { GiteaHooksController } from './hooks/hooks.controller.ts';
import { Hooks } from './hooks/hooks.ts';
import { DeliveryJobs } from './rereads/delivery-jobs.ts';
import { ReconcileJobs } from './rereads/reconcile-jobs.ts';
import { Rereads } from './rereads/rereads.ts';

/** Needs RolloutPrompts from above. */
@Module({
  controllers: [GiteaHooksController, GiteaWebhookController],
  providers: [Deliveries, DeliveryJobs, Hooks, HookSecrets, ReconcileJobs, Rereads, SignedDeliveries],
})
export class IntakeModule {}
