import type { Finding } from './findings.ts';

/** Operations (by operationId) that no run asks, each with the reason. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  systemStateSet: 'a system that is read-only refuses everything after it',
  policyChange: 'a policy may ask of the run what it has not: a second factor, another address',
  leaveLeave: 'who has left the organization cannot sign in to it again',
  orgsTransferOwnership: 'it gives the rights of the run to somebody else',
  signingKeysWithdraw: 'the key of every session goes with it',
  eventLogStream: 'its answer does not end',
  projectionsWatch: 'its answer does not end',
};

/** Of what schemathesis says, what is no defect. An entry that excuses nothing in a whole run is to go. */
export const EXCUSED: readonly { readonly reason: string; readonly holds: (finding: Finding) => boolean }[] =
  [
    {
      reason: 'a rule of a room, which no schema can say, has a code of its own',
      holds: ({ check, status, code }) =>
        check === 'ST202' && status === 400 && code !== '' && !code.startsWith('http.'),
    },
    {
      reason: 'a cursor is one that the API has given out, which no schema can say',
      holds: ({ check, errors }) =>
        check === 'ST202' && errors.length > 0 && errors.every(({ path }) => path === 'cursor'),
    },
    {
      reason: 'numbers in an open object are those that every reader reads alike (RFC 8785)',
      holds: ({ check, errors }) =>
        check === 'ST202' && errors.some(({ message }) => message.startsWith('is a number beyond the range')),
    },
    {
      reason: 'a path of its own also fits a route with a parameter, whose methods are answered there',
      holds: ({ check, operation }) =>
        (check === 'ST204' || check === 'ST205') &&
        OVERLAPPING.has(operation.slice(operation.indexOf(' ') + 1)),
    },
  ];

const OVERLAPPING: ReadonlySet<string> = new Set([
  '/api/v1/auth/factors/passkeys',
  '/api/v1/auth/factors/recovery-codes',
  '/api/v1/auth/factors/totp',
  '/api/v1/orgs/{orgId}/risks/report',
  '/api/v1/orgs/{orgId}/secrets/search-digest',
  '/api/v1/orgs/{orgId}/sessions/revoke',
  '/api/v1/platform/signing-keys/rotate',
]);
