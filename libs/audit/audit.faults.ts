import { faults } from '#kernel';

export const AuditFault = faults('audit', {
  sink_not_found: ['not_found', 'There is no such sink.'],
  sink_exists: ['conflict', 'There is a sink of this name.'],
  too_many_sinks: ['conflict', 'The organization has as many sinks as it may; see `data.limit`.'],
  bad_sink: ['invalid', 'These settings are not what a sink of this kind takes; see `errors`.'],
  file_sinks_closed: [
    'forbidden',
    'File sinks are for the platform organization, where the operator has configured a directory for them.',
  ],
  beyond_log: ['invalid', 'There is no such position yet; `after` may be at most the size of the log.'],
  bad_cursor: ['invalid', 'The cursor is not one this list gave out.'],
  on_hold: ['conflict', 'The audit log is on legal hold: nothing is erased or pruned until it is lifted.'],
  hold_not_found: ['not_found', 'There is no legal hold on this log.'],
  erasure_not_found: ['not_found', 'There is no such erasure in this organization.'],
  pruned: [
    'not_found',
    'These events are gone by the retention policy: go on after `data.prunedUpTo`. Their hashes are still there to prove by.',
  ],
  search_behind: [
    'unavailable',
    'What this log is searched by is still being made: `data.indexedUpTo` of `data.treeSize` positions. Ask again.',
  ],
  log_altered: [
    'unavailable',
    'The log is not what was written: see `data.kind` and `data.pos`. Nothing is proven or signed of it until that is settled; the export still gives what there is.',
  ],
  fork_detected: [
    'unavailable',
    'The log does not continue what was signed of it before, as after a restore: see `data`. It is neither signed nor exported until an operator of the platform acknowledges that.',
  ],
  fork_not_found: ['not_found', 'There is no fork of this log that nobody has acknowledged.'],
  signer_unavailable: [
    'unavailable',
    'The key that signs checkpoints lies in the secret store, which does not answer or does not sign: nothing is signed until it does. All else goes on.',
  ],
  anchor_unreadable: [
    'unavailable',
    'The anchored checkpoint of this log cannot be read or is not a checkpoint of ours, so nothing is signed.',
  ],
});
