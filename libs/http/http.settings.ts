import { setting } from '#kernel';

/** What the HTTP face reads from the environment. */
export const httpSettings = {
  port: setting.integer('PORT', 'The TCP port to listen on.', { min: 0, max: 65535, fallback: 8080 }),
  host: setting.required('HOST', 'The address to listen on.', '127.0.0.1'),
  trustedProxies: setting.list(
    'PORTCULLIS_TRUSTED_PROXIES',
    'Addresses and CIDR ranges of the proxies whose X-Forwarded-For is believed.',
  ),
  tlsCertFile: setting.text(
    'PORTCULLIS_TLS_CERT_FILE',
    'The certificate chain (PEM) for TLS in this process.',
  ),
  tlsKeyFile: setting.text(
    'PORTCULLIS_TLS_KEY_FILE',
    'The private key (PEM) of that certificate, mode 0600.',
  ),
} as const;
