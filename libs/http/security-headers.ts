type HeaderList = readonly (readonly [string, string])[];

export interface SecurityHeaders {
  /** For every answer that a browser might show. One that needs other ones (the docs page) sets them itself. */
  readonly full: HeaderList;
  /** For answers of the API: JSON that nothing renders, where each header is paid for on the hot path. */
  readonly api: HeaderList;
}

export function securityHeaders({ hsts }: { hsts: boolean }): SecurityHeaders {
  const api: [string, string][] = [
    ['x-content-type-options', 'nosniff'],
    ['cache-control', 'no-store'],
  ];
  if (hsts) api.push(['strict-transport-security', 'max-age=31536000; includeSubDomains']);
  const full: [string, string][] = [
    ...api,
    ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
    ['referrer-policy', 'no-referrer'],
  ];
  return { full, api };
}
