export { type TlsTrust, openSocket, tlsOptions } from './connect.ts';
export { asDeliveryFailure, DeliveryFailure } from './delivery-failure.ts';
export { EgressModule } from './egress.module.ts';
export { egressSettings } from './egress.settings.ts';
export { Egress } from './egress.ts';
export { failureOf, type HttpAnswer, OutboundHttp } from './outbound-http.ts';
export { signStandardWebhook } from './standard-webhook.ts';
