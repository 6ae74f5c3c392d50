import { createHmac } from 'node:crypto';

/**
 * The headers that sign a webhook as Standard Webhooks (standardwebhooks.com) says: `webhook-id`, `webhook-timestamp`
 * and `webhook-signature` = `v1,` base64 HMAC-SHA-256 of `<id>.<timestamp>.<body>`. `secret`: `whsec_` and base64, as
 * it writes keys; any other text is the key itself.
 */
export function signStandardWebhook(
  secret: string,
  id: string,
  at: Date,
  body: string,
): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1_000));
  const signed = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signed}` };
}

function keyOf(secret: string): Buffer {
  const encoded = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(secret)?.[1];
  return encoded === undefined ? Buffer.from(secret) : Buffer.from(encoded, 'base64');
}
