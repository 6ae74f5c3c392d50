import { faults } from '#kernel';

export const HttpFault = faults('http', {
  invalid_json: ['invalid', 'The body is not JSON as this API takes it; errors says where.'],
  invalid_input: ['invalid', 'The input breaks a rule; errors lists every fault.'],
  bad_request: ['invalid', 'The request cannot be understood.'],
  uri_malformed: ['invalid', 'The path of the request cannot be decoded, or a part of it is too long.'],
  too_large: ['invalid', 'The body is larger than this API takes.'],
  header_too_large: ['invalid', 'The request has too many headers, or too large ones.'],
  unsupported_media_type: ['invalid', 'The body must be sent as application/json in UTF-8.'],
  expectation_failed: ['invalid', 'The expectation in the Expect header cannot be met.'],
  timeout: ['invalid', 'The request did not arrive in time.'],
  route_not_found: ['not_found', 'There is no such route.'],
  method_not_allowed: [
    'invalid',
    'The route does not know this method; the Allow header lists those it knows.',
  ],
  unauthenticated: ['unauthenticated', 'A credential is needed.'],
  forbidden: ['forbidden', 'This is not allowed.'],
  not_found: ['not_found', 'There is nothing here that you may see.'],
  conflict: ['conflict', 'The request is in conflict with the present state.'],
  limited: ['limited', 'Too many requests; try again later.'],
  unavailable: ['unavailable', 'Something this needs is down; try again shortly.'],
  internal: ['internal', 'Something went wrong here; the request id leads to the cause.'],
});
