import type { SecretPatternsView } from './api-key.contract.ts';
import { API_KEY_PATTERN } from './api-key-secret.ts';

/** What secret scanners need to know. Public, and the same for every deployment. */
export const secretPatterns: SecretPatternsView = {
  items: [
    {
      name: 'portcullis_api_key',
      prefix: 'pck_',
      regex: API_KEY_PATTERN,
      checksum:
        'The last 8 characters are the CRC-32 (IEEE 802.3, as of zlib) of all characters before them, in lower-case hex.',
      report: { method: 'POST', path: '/api/v1/auth/api-keys/revoke', field: 'key' },
    },
  ],
};
