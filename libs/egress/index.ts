export { openSocket, tlsOptions, type TlsParts } from './connect.ts';
export { asDeliveryFailure, DeliveryFailure } from './delivery-failure.ts';
export { type CheckedAddress, Egress } from './egress.ts';
export { egressSettings } from './egress.settings.ts';
export { EgressModule } from './egress.module.ts';
export { failureOf, type HttpAnswer, HttpPost } from './http-post.ts';
export { signStandardWebhook } from './standard-webhook.ts';
