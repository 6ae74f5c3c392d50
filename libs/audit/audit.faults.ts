import { faults } from '#kernel';

export const AuditFault = faults('audit', {
  beyond_log: ['invalid', 'There is no such position yet; `after` may be at most the size of the log.'],
  bad_cursor: ['invalid', 'The cursor is not one this list gave out.'],
});
