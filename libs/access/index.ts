export {
  Access,
  type AccessRule,
  asksForCaller,
  isWrite,
  OWN,
  PLATFORM,
  Public,
  Signed,
  SignedIn,
  Unattended,
  WhileReadOnly,
} from './access-rule.ts';
export { AccessFault } from './access.faults.ts';
export { AccessModule } from './access.module.ts';
export { SealError } from './boot-seal.ts';
export { HANDLES_JOB, JobCatalogue } from './job-catalogue.ts';
export {
  type BuiltInRole,
  builtInPermissions,
  builtInRoles,
  fitsKind,
  isPermission,
  type Permission,
  permissionNames,
  permissions,
} from './permissions.ts';
export {
  type AccessRequest,
  type AskedProof,
  Authenticator,
  callerOf,
  type Denial,
  Denials,
  Openings,
  type SignatureScheme,
  SignedRequests,
  SystemGate,
} from './ports.ts';
export { ANSWERS, type AnswerDeclaration, RAW_BODY, type Route, RouteCatalogue } from './route-catalogue.ts';
