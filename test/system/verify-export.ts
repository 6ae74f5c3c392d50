/** The verifier that is shipped, for the tests of rooms, which know no app: it shares no code with them. */
export { type ExpectedLog, verifyExport } from '../../apps/cli/audit/verify-export.ts';
