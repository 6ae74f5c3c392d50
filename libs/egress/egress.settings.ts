import { setting } from '#kernel';

/** What the egress room reads from the environment. */
export const egressSettings = {
  egressAllow: setting.list(
    'PORTCULLIS_EGRESS_ALLOW',
    'Networks (CIDR) that are not public and that the product may still reach; only these without TLS for HTTP.',
  ),
} as const;
