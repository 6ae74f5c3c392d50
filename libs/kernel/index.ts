export { canonicalJson, type Json } from './canonical-json.ts';
export { type Caller, callerIn, type CallerOrg, type RequestFacts } from './caller.ts';
export { Clock, SystemClock } from './clock.ts';
export {
  childEnvironment,
  ConfigError,
  readPrivateFile,
  readProcessConfig,
  setting,
  type Setting,
  StartError,
  type Values,
} from './config.ts';
export { randomText, sameSecret, sha256, tokenDigest } from './digest.ts';
export {
  Fault,
  faultCatalogue,
  faults,
  type FaultAudit,
  type FaultKind,
  type FaultMaker,
  type InputError,
  type Quota,
} from './fault.ts';
export { isId, newId, serialId } from './ids.ts';
export { networkOf } from './network.ts';
export { type Page, pageOf, readCursor, readPage } from './page.ts';
