import { createHmac } from 'node:crypto';
import { isId, sameSecret } from '#kernel';
import { IntakeFault } from '../intake.faults.ts';

/** The headers of a delivery (Gitea's services/webhook/deliver.go). Of them only the signature is proven by itself. */
export interface DeliveryHeaders {
  /** Hex of HMAC-SHA-256 over the body; empty where what was sent can be none. */
  readonly signature: string;
  /** New at every attempt. */
  readonly delivery: string;
  /** `pull_request`, and more exactly `pull_request_sync`. */
  readonly event: string;
  readonly type: string;
}

type Sent = { readonly [name: string]: string | string[] | undefined };

const SIGNATURE = /^[0-9a-f]{64}$/;
const EVENT = /^[a-z_]{1,60}$/;

/**
 * What the headers say. Without a secret Gitea sends the signature's header all the same, empty. Faults:
 * `intake.signature_missing`, `intake.delivery_missing`, `intake.event_missing`.
 */
export function readHeaders(headers: Sent): DeliveryHeaders {
  const one = (name: string): string => {
    const value = headers[name];
    return typeof value === 'string' ? value : '';
  };
  const sent = one('x-gitea-signature');
  if (sent === '') throw IntakeFault.signature_missing();
  const delivery = one('x-gitea-delivery');
  if (!isId(delivery)) throw IntakeFault.delivery_missing();
  const [event, type] = [one('x-gitea-event'), one('x-gitea-event-type')];
  if (!EVENT.test(event) || !EVENT.test(type)) throw IntakeFault.event_missing();
  return { signature: agreed(headers, sent) ? sent : '', delivery, event, type };
}

/** Gitea signs three times over, for receivers made for others. The SHA-1 is worth nothing and is not looked at. */
function agreed(headers: Sent, signature: string): boolean {
  const copies = [headers['x-gogs-signature'], headers['x-hub-signature-256']];
  const same = copies.every(
    (copy) => copy === undefined || copy === signature || copy === `sha256=${signature}`,
  );
  return same && SIGNATURE.test(signature);
}

/** Looked for where there is no secret, so that no hook takes as long as one that refuses. */
const NOBODYS = Buffer.alloc(32);

/** Whether one of the secrets signs these bytes so. Every secret is tried, whichever fits. */
export function isSigned(body: Uint8Array, signature: string, secrets: readonly string[]): boolean {
  let found = false;
  for (const secret of secrets) found = sameSecret(sign(body, secret), signature) || found;
  if (secrets.length === 0) sameSecret(sign(body, NOBODYS), signature);
  return found;
}

export function sign(body: Uint8Array, secret: string | Buffer): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}
